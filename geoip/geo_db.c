/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of libmaxminddb, and only while loading: a file is copied into memory of our own (so that nobody can change
 * it underneath), opened there, its search tree walked once, each record read once, and all of it compiled into a trie of
 * classes. Then the file is closed. Nothing of a refused file remains.
 */
#include "geoip/geo_db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <maxminddb.h>
#include <uthash.h>

#include "geoip/geo_record.h"
#include "geoip/geo_trie.h"
#include "proxy/base/mem.h"

enum { METADATA_MAX = 128 * 1024, COPY = 1 << 20 };
#define FILE_MAX (INT64_C(4) << 30)
#define MARKER "\xab\xcd\xefMaxMind.com"

struct geo_file {
    struct geo_trie *trie;
    struct place *classes; /* by class id; [0] is GEO_NONE */
    uint32_t n_classes;
    struct geo_db_info info;
    char *path, *type;
};

struct geo_db {
    struct geo_file *files;
    struct geo_db_info *infos;
    unsigned n;
};

/* --- loading ----------------------------------------------------------------------------------------------------- */

struct class_entry { /* place -> class id */
    struct place place;
    uint32_t id;
    UT_hash_handle hh;
};

struct offset_entry { /* record -> class id */
    uint32_t offset, id;
    UT_hash_handle hh;
};

struct loader {
    MMDB_s mmdb;
    struct geo_file *file;
    struct class_entry *classes;
    struct offset_entry *offsets;
    uint32_t cap_classes;
    geo_ref *memo;  /* by node */
    uint8_t *state; /* by node: 0 not yet, 1 on the way down, 2 done */
    uint64_t networks;
    const char *error;
};

static uint32_t
class_of(struct loader *l, const struct place *place)
{
    struct class_entry *e;

    HASH_FIND(hh, l->classes, place, sizeof(*place), e);
    if (e)
        return e->id;
    if (l->file->n_classes == l->cap_classes) {
        l->cap_classes *= 2;
        l->file->classes = mem_grow(l->file->classes, l->cap_classes * sizeof(struct place));
    }
    e = MEM_NEW(struct class_entry);
    e->place = *place;
    e->id = l->file->n_classes++;
    l->file->classes[e->id] = *place;
    HASH_ADD(hh, l->classes, place, sizeof(e->place), e);
    return e->id;
}

static geo_ref
leaf_of(struct loader *l, const MMDB_entry_s *entry)
{
    struct offset_entry *e;
    struct place place, clean;
    uint32_t offset = entry->offset;

    HASH_FIND(hh, l->offsets, &offset, sizeof(offset), e);
    if (e)
        return geo_trie_leaf(e->id);
    if (!geo_record_place(l->mmdb.data_section, l->mmdb.data_section_size, offset, &place)) {
        l->error = "a record is damaged";
        return geo_trie_leaf(GEO_NONE);
    }
    e = MEM_NEW(struct offset_entry);
    e->offset = offset;
    if (place.source != PLACE_NONE) {
        memset(&clean, 0, sizeof(clean)); /* padding is hashed too */
        memcpy(clean.country, place.country, sizeof(clean.country));
        clean.continent = place.continent;
        clean.source = place.source;
        clean.has_point = place.has_point;
        clean.lat = place.lat;
        clean.lon = place.lon;
        e->id = class_of(l, &clean);
    }
    HASH_ADD(hh, l->offsets, offset, sizeof(e->offset), e);
    return geo_trie_leaf(e->id);
}

static geo_ref compile(struct loader *l, uint32_t node, unsigned depth);

static geo_ref
compile_half(struct loader *l, uint64_t record, uint8_t type, const MMDB_entry_s *entry, unsigned depth)
{
    if (l->error)
        return geo_trie_leaf(GEO_NONE);
    switch (type) {
    case MMDB_RECORD_TYPE_SEARCH_NODE:
        return compile(l, (uint32_t)record, depth + 1);
    case MMDB_RECORD_TYPE_EMPTY:
        return geo_trie_leaf(GEO_NONE);
    case MMDB_RECORD_TYPE_DATA:
        l->networks++;
        return leaf_of(l, entry);
    default:
        l->error = "the search tree leads outside the file";
        return geo_trie_leaf(GEO_NONE);
    }
}

/* Each node once, however many ways lead to it; a way back up is a damaged file. */
static geo_ref
compile(struct loader *l, uint32_t node, unsigned depth)
{
    enum { DEPTH_MAX = 128 };
    MMDB_search_node_s halves;
    geo_ref zero, one;

    if (node >= l->mmdb.metadata.node_count || depth >= DEPTH_MAX || l->state[node] == 1) {
        l->error = "the search tree is damaged";
        return geo_trie_leaf(GEO_NONE);
    }
    if (l->state[node] == 2)
        return l->memo[node];
    l->state[node] = 1;
    if (MMDB_read_node(&l->mmdb, node, &halves) != MMDB_SUCCESS) {
        l->error = "the search tree is damaged";
        return geo_trie_leaf(GEO_NONE);
    }
    zero = compile_half(l, halves.left_record, halves.left_record_type, &halves.left_record_entry, depth);
    one = compile_half(l, halves.right_record, halves.right_record_type, &halves.right_record_entry, depth);
    l->memo[node] = geo_trie_join(l->file->trie, zero, one);
    l->state[node] = 2;
    return l->memo[node];
}

/* IPv4 lies at ::/96 of an IPv6 tree. */
static geo_ref
compile_v4(struct loader *l)
{
    uint32_t node = 0;

    if (l->mmdb.metadata.ip_version == 4)
        return compile(l, 0, 0);
    for (unsigned i = 0; i < 96; i++) {
        MMDB_search_node_s halves;

        if (MMDB_read_node(&l->mmdb, node, &halves) != MMDB_SUCCESS)
            return geo_trie_leaf(GEO_NONE);
        if (halves.left_record_type == MMDB_RECORD_TYPE_DATA)
            return leaf_of(l, &halves.left_record_entry);
        if (halves.left_record_type != MMDB_RECORD_TYPE_SEARCH_NODE)
            return geo_trie_leaf(GEO_NONE);
        node = (uint32_t)halves.left_record;
    }
    return compile(l, node, 96);
}

static const char *
check_metadata(const struct loader *l)
{
    const MMDB_metadata_s *m = &l->mmdb.metadata;
    uint64_t tree = (uint64_t)m->node_count * (m->record_size / 4);

    if (m->record_size != 24 && m->record_size != 28 && m->record_size != 32)
        return "its record size is unknown";
    if (m->ip_version != 4 && m->ip_version != 6)
        return "its IP version is unknown";
    if (m->node_count == 0 || tree + 16 > (uint64_t)l->mmdb.file_size)
        return "it is truncated";
    return NULL;
}

static void
compile_tree(struct loader *l)
{
    uint32_t n = l->mmdb.metadata.node_count;
    geo_ref v4, v6 = geo_trie_leaf(GEO_NONE);

    l->memo = mem_array(n, sizeof(*l->memo));
    l->state = mem_array(n, 1);
    if (l->mmdb.metadata.ip_version == 6)
        v6 = compile(l, 0, 0);
    v4 = l->error ? geo_trie_leaf(GEO_NONE) : compile_v4(l);
    geo_trie_finish(l->file->trie, v4, v6);
}

static void
loader_fini(struct loader *l)
{
    struct class_entry *c, *next_c;
    struct offset_entry *o, *next_o;

    HASH_ITER (hh, l->classes, c, next_c) {
        HASH_DEL(l->classes, c);
        mem_free(c);
    }
    HASH_ITER (hh, l->offsets, o, next_o) {
        HASH_DEL(l->offsets, o);
        mem_free(o);
    }
    mem_free(l->memo);
    mem_free(l->state);
}

static const char *
load_mmdb(const char *path, struct geo_file *file)
{
    struct loader l = { .file = file, .cap_classes = 64 };
    int status = MMDB_open(path, MMDB_MODE_MMAP, &l.mmdb);

    if (status != MMDB_SUCCESS)
        return MMDB_strerror(status);
    l.error = check_metadata(&l);
    file->trie = geo_trie_new();
    file->classes = mem_array(l.cap_classes, sizeof(struct place));
    file->n_classes = 1;
    if (!l.error)
        compile_tree(&l);
    if (!l.error) {
        const char *type = l.mmdb.metadata.database_type;

        file->type = mem_dup(type, strlen(type));
        file->info = (struct geo_db_info){
            .type = str_from(file->type), .build_epoch = (int64_t)l.mmdb.metadata.build_epoch, .networks = l.networks
        };
    }
    MMDB_close(&l.mmdb);
    loader_fini(&l);
    return l.error;
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static const char *
copy_file(int from, int to, int64_t size)
{
    while (size > 0) {
        ssize_t n = sendfile(to, from, NULL, size < COPY ? (size_t)size : (size_t)COPY);

        if (n <= 0)
            return "it is shorter than it was";
        size -= n;
    }
    return NULL;
}

/* libmaxminddb reads the metadata by recursion: look at its nesting before it does. */
static const char *
check_nesting(int fd, int64_t size)
{
    size_t tail = size < METADATA_MAX ? (size_t)size : (size_t)METADATA_MAX;
    uint8_t *bytes = mem_alloc(tail);
    const uint8_t *marker = NULL, *at = bytes;
    const char *error = "it is not a MaxMind database";

    if (pread(fd, bytes, tail, (off_t)(size - (int64_t)tail)) == (ssize_t)tail) {
        while ((at = memmem(at, tail - (size_t)(at - bytes), MARKER, sizeof(MARKER) - 1))) {
            marker = at;
            at++;
        }
    }
    if (marker) {
        marker += sizeof(MARKER) - 1;
        error = geo_record_is_sane(marker, tail - (size_t)(marker - bytes), 0) ? NULL : "its metadata is damaged";
    }
    mem_free(bytes);
    return error;
}

static const char *
load_fd(int from, struct geo_file *file)
{
    char path[64];
    struct stat st;
    const char *error;
    int copy;

    if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
        return "it is not a regular file";
    if (st.st_mode & S_IWOTH)
        return "anybody may write to it: take that right away";
    if (st.st_size == 0 || st.st_size > FILE_MAX)
        return "its size makes no sense";
    copy = memfd_create("geo", MFD_CLOEXEC);
    if (copy < 0)
        return strerrordesc_np(errno);
    error = copy_file(from, copy, st.st_size);
    if (!error)
        error = check_nesting(copy, st.st_size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
    if (!error)
        error = load_mmdb(path, file);
    close(copy);
    return error;
}

static void
file_fini(struct geo_file *f)
{
    geo_trie_free(f->trie);
    mem_free(f->classes);
    mem_free(f->path);
    mem_free(f->type);
}

static const char *
load_file(struct str path, struct geo_file *file)
{
    const char *error;
    int fd;

    file->path = mem_dup(path.p, path.len);
    fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerrordesc_np(errno);
    error = load_fd(fd, file);
    close(fd);
    file->info.path = str_from(file->path);
    return error;
}

struct geo_db *
geo_db_load(const struct str *paths, unsigned n, char *error, size_t error_size)
{
    struct geo_db *db = MEM_NEW(struct geo_db);

    db->files = mem_array(n, sizeof(*db->files));
    db->infos = mem_array(n, sizeof(*db->infos));
    for (unsigned i = 0; i < n; i++) {
        const char *wrong = load_file(paths[i], &db->files[db->n++]);

        if (wrong) {
            snprintf(error, error_size, STR_FMT ": %s", STR_ARG(paths[i]), wrong);
            geo_db_free(db);
            return NULL;
        }
        db->infos[i] = db->files[i].info;
    }
    return db;
}

void
geo_db_free(struct geo_db *db)
{
    if (!db)
        return;
    for (unsigned i = 0; i < db->n; i++)
        file_fini(&db->files[i]);
    mem_free(db->files);
    mem_free(db->infos);
    mem_free(db);
}

bool
geo_db_lookup(const struct geo_db *db, const struct addr *a, struct place *ret_place)
{
    struct addr inner = addr_unwrap(a);

    for (unsigned i = 0; i < db->n; i++) {
        uint32_t id = geo_trie_lookup(db->files[i].trie, &inner);

        if (id == GEO_NONE)
            continue;
        *ret_place = db->files[i].classes[id];
        return true;
    }
    return false;
}

unsigned
geo_db_files(const struct geo_db *db, const struct geo_db_info **ret_infos)
{
    *ret_infos = db->infos;
    return db->n;
}

size_t
geo_db_memory(const struct geo_db *db)
{
    size_t total = 0;

    for (unsigned i = 0; i < db->n; i++)
        total += geo_trie_memory(db->files[i].trie) + db->files[i].n_classes * sizeof(struct place);
    return total;
}
