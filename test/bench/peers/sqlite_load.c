/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite as a log: journal_mode=WAL, synchronous=FULL, one transaction a commit. See journal_load.h.
 */
#include "test/bench/journal_load.h"

#include <sqlite3.h>

static sqlite3 *db;
static sqlite3_stmt *insert;

static void
run(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
}

static void
log_open(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/log.db", dir);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        exit(1);
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
    run("CREATE TABLE IF NOT EXISTS log (lsn INTEGER PRIMARY KEY, payload BLOB)");
    if (sqlite3_prepare_v2(db, "INSERT INTO log (payload) VALUES (?)", -1, &insert, NULL) != SQLITE_OK)
        exit(1);
}

static void
log_commit(const char *record, unsigned n)
{
    static char mine[RECORD_BYTES];

    memcpy(mine + 8, record + 8, sizeof(mine) - 8);
    run("BEGIN");
    while (n-- > 0) {
        count_up(mine);
        sqlite3_bind_blob(insert, 1, mine, sizeof(mine), SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            exit(1);
        sqlite3_reset(insert);
    }
    run("COMMIT");
}

static void
log_close(void)
{
    sqlite3_finalize(insert);
    sqlite3_close(db);
}

int
main(int argc, char **argv)
{
    return journal_load(argc, argv);
}
