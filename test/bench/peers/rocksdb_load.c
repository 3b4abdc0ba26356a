/* SPDX-License-Identifier: Apache-2.0
 *
 * RocksDB as a log: one write batch a commit, sync=1, no compression. See journal_load.h.
 */
#include "test/bench/journal_load.h"

#include <rocksdb/c.h>

static rocksdb_t *db;
static rocksdb_writeoptions_t *sync_writes;

static void
fail_on(char *error)
{
    if (!error)
        return;
    fprintf(stderr, "rocksdb: %s\n", error);
    exit(1);
}

static void
log_open(const char *dir)
{
    rocksdb_options_t *options = rocksdb_options_create();
    char path[512], *error = NULL;

    snprintf(path, sizeof(path), "%s/log", dir);
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    db = rocksdb_open(options, path, &error);
    fail_on(error);
    rocksdb_options_destroy(options);
    sync_writes = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(sync_writes, 1);
}

static void
log_commit(const char *record, unsigned n)
{
    static uint64_t lsn;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    char *error = NULL, key[8];

    while (n-- > 0) {
        lsn++;
        for (unsigned i = 0; i < sizeof(key); i++)
            key[i] = (char)(lsn >> (56 - 8 * i)); /* so that they sort as they come */
        rocksdb_writebatch_put(batch, key, sizeof(key), record, RECORD_BYTES);
    }
    rocksdb_write(db, sync_writes, batch, &error);
    fail_on(error);
    rocksdb_writebatch_destroy(batch);
}

static void
log_close(void)
{
    rocksdb_writeoptions_destroy(sync_writes);
    rocksdb_close(db);
}

int
main(int argc, char **argv)
{
    return journal_load(argc, argv);
}
