/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of libmaxminddb, and only while loading. A file is copied into memory of our own, which has no name, so that
 * nobody can change or cut it while it is mapped (a cut would be a SIGBUS). Its metadata is checked, then it is opened there, its
 * search tree walked once, each record read once, and all of it compiled into a trie of classes: what is known of a place, each
 * combination once. Then the file is closed.
 *
 * Invariants: what a refused file left behind is freed before the call returns; work and memory are bounded by the file's size,
 * whatever is in it; a loaded database never changes.
 */
#include "geoip/geo_db.h"

#include <errno.h>
#include <fcntl.h>
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
#include "geoip/mmdb_metadata.h"
#include "proxy/base/mem.h"

enum { COPY_BYTES = 1 << 20, DEPTH_MAX = 128, STEPS_PER_BYTE = 4, STEPS_LEAST = 1000000 };
#define FILE_MAX ((INT64_C(4) << 30) - 1)
#define NOT_YET UINT32_MAX
#define ON_THE_WAY (UINT32_MAX - 1)

struct geo_file {
    struct geo_trie *trie;
    struct place *classes; /* by class id; [0] is GEO_NONE */
    uint32_t n_classes, cap_classes;
    uint64_t networks;
    int64_t build_epoch;
    char *path, *type;
};

struct geo_db {
    struct geo_file *files;
    struct geo_db_info *infos;
    unsigned n;
};

/* --- records to classes ------------------------------------------------------------------------------------------ */

struct class_entry { /* place -> class id */
    struct place place;
    uint32_t id;
    UT_hash_handle hh;
};

struct known { /* record -> class id */
    uint32_t offset_plus_1, id;
};

struct loader {
    MMDB_s mmdb;
    struct mmdb_metadata metadata;
    struct mmdb_reader records;
    struct geo_file *file;
    struct class_entry *classes;
    struct known *known; /* hash table, at most half full: asked for each network, so kept small */
    uint32_t n_known, cap_known;
    uint32_t v4_root; /* the node of ::/96, or NOT_YET */
    geo_ref *made;    /* by node: NOT_YET, ON_THE_WAY, or its subtree */
    const char *error;
};

static uint32_t
class_of(struct loader *l, const struct place *place)
{
    struct geo_file *f = l->file;
    struct class_entry *e;

    HASH_FIND(hh, l->classes, place, sizeof(*place), e);
    if (e)
        return e->id;
    if (f->n_classes == f->cap_classes) {
        f->cap_classes *= 2;
        f->classes = mem_grow(f->classes, f->cap_classes * sizeof(*f->classes));
    }
    e = MEM_NEW(struct class_entry);
    e->place = *place;
    e->id = f->n_classes++;
    f->classes[e->id] = *place;
    HASH_ADD(hh, l->classes, place, sizeof(e->place), e);
    return e->id;
}

/* Where a record stands in the table, or would. */
static struct known *
find_known(const struct loader *l, uint32_t offset_plus_1)
{
    uint32_t mask = l->cap_known - 1;

    for (uint32_t i = (offset_plus_1 * UINT32_C(2654435769)) >> 7 & mask;; i = (i + 1) & mask) {
        if (l->known[i].offset_plus_1 == 0 || l->known[i].offset_plus_1 == offset_plus_1)
            return &l->known[i];
    }
}

static void
grow_known(struct loader *l)
{
    struct known *old = l->known;
    uint32_t n = l->cap_known;

    l->cap_known = n ? n * 2 : 1024;
    l->known = mem_array(l->cap_known, sizeof(*l->known));
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].offset_plus_1)
            *find_known(l, old[i].offset_plus_1) = old[i];
    }
    mem_free(old);
}

static geo_ref
leaf_of(struct loader *l, uint32_t offset)
{
    struct place place, clean;
    struct known *k;

    if (l->n_known * 2 >= l->cap_known)
        grow_known(l);
    k = find_known(l, offset + 1);
    if (k->offset_plus_1)
        return geo_trie_leaf(k->id);
    if (!geo_record_place(&l->records, offset, &place)) {
        l->error = l->records.steps_left ? "a record is damaged" : "its records are tangled up";
        return geo_trie_leaf(GEO_NONE);
    }
    *k = (struct known){ offset + 1, GEO_NONE };
    l->n_known++;
    if (place.source != PLACE_NONE) {
        memset(&clean, 0, sizeof(clean)); /* padding is hashed too */
        memcpy(clean.country, place.country, sizeof(clean.country));
        clean.continent = place.continent;
        clean.source = place.source;
        clean.has_point = place.has_point;
        clean.lat = place.lat;
        clean.lon = place.lon;
        k->id = class_of(l, &clean);
    }
    return geo_trie_leaf(k->id);
}

/* --- the search tree --------------------------------------------------------------------------------------------- */

struct half {
    uint64_t record; /* a node, if it is one */
    uint8_t type;
    uint32_t offset; /* of the data */
};

struct step { /* one node on the way down */
    uint32_t node;
    unsigned n; /* halves that are done */
    struct half halves[2];
    geo_ref made[2];
};

static bool
read_node(struct loader *l, uint32_t number, struct step *ret_step)
{
    MMDB_search_node_s node;

    if (number >= l->metadata.node_count || MMDB_read_node(&l->mmdb, number, &node) != MMDB_SUCCESS) {
        l->error = "its search tree is damaged";
        return false;
    }
    *ret_step = (struct step){ .node = number,
        .halves = { { node.left_record, node.left_record_type, node.left_record_entry.offset },
            { node.right_record, node.right_record_type, node.right_record_entry.offset } } };
    return true;
}

/* The subtree of a half, if it is known without walking: a leaf, a subtree that was walked before, or the IPv4 tree, to which
 * MaxMind's files lead again from ::ffff:0:0/96, 2002::/16 and 2001::/32: such addresses are unwrapped before they are looked up. */
static bool
is_made(struct loader *l, const struct half *half, geo_ref *ret_made)
{
    *ret_made = geo_trie_leaf(GEO_NONE);
    if (half->type == MMDB_RECORD_TYPE_EMPTY)
        return true;
    if (half->type == MMDB_RECORD_TYPE_DATA) {
        l->file->networks++;
        *ret_made = leaf_of(l, half->offset);
        return true;
    }
    if (half->type != MMDB_RECORD_TYPE_SEARCH_NODE || half->record >= l->metadata.node_count) {
        l->error = "its search tree leads out of it";
        return true;
    }
    if (half->record == l->v4_root)
        return true;
    if (l->made[half->record] == ON_THE_WAY)
        l->error = "its search tree leads back to itself";
    if (l->made[half->record] != NOT_YET)
        *ret_made = l->made[half->record];
    return l->made[half->record] != NOT_YET;
}

/* The subtree of a node, which lies `depth` bits below the root. Each node is walked once, however many ways lead to it. */
static geo_ref
compile(struct loader *l, uint32_t root, unsigned depth)
{
    struct step steps[DEPTH_MAX];
    unsigned n = 0, max = DEPTH_MAX - depth;
    geo_ref made = geo_trie_leaf(GEO_NONE);
    uint32_t next = root;
    bool is_down = true;

    while (!l->error) {
        struct step *s;

        if (is_down) {
            if (n == max)
                l->error = "its search tree is too deep";
            else if (read_node(l, next, &steps[n]))
                l->made[steps[n++].node] = ON_THE_WAY;
            is_down = false;
            continue;
        }
        s = &steps[n - 1];
        if (s->n < 2) {
            is_down = !is_made(l, &s->halves[s->n], &s->made[s->n]);
            next = (uint32_t)s->halves[s->n].record;
            s->n += !is_down;
            continue;
        }
        made = l->made[s->node] = geo_trie_join(l->file->trie, s->made[0], s->made[1]);
        if (--n == 0)
            return made;
        steps[n - 1].made[steps[n - 1].n++] = made;
    }
    return geo_trie_leaf(GEO_NONE);
}

/* IPv4 lies at ::/96 of an IPv6 tree. */
static geo_ref
compile_v4(struct loader *l)
{
    struct step s;
    uint32_t node = 0;

    if (l->metadata.ip_version == 4)
        return compile(l, 0, 96);
    for (unsigned depth = 0; depth < 96; depth++) {
        geo_ref leaf;

        if (!read_node(l, node, &s))
            return geo_trie_leaf(GEO_NONE);
        if (s.halves[0].type != MMDB_RECORD_TYPE_SEARCH_NODE)
            return is_made(l, &s.halves[0], &leaf) ? leaf : geo_trie_leaf(GEO_NONE);
        node = (uint32_t)s.halves[0].record;
    }
    l->v4_root = node;
    return compile(l, node, 96);
}

static void
compile_tree(struct loader *l)
{
    size_t n = l->metadata.node_count;
    geo_ref v4, v6 = geo_trie_leaf(GEO_NONE);

    l->v4_root = NOT_YET;
    l->made = mem_array(n, sizeof(*l->made));
    memset(l->made, 0xff, n * sizeof(*l->made));
    v4 = compile_v4(l);
    if (!l->error && l->metadata.ip_version == 6)
        v6 = compile(l, 0, 0);
    if (!l->error && !geo_trie_finish(l->file->trie, v4, v6))
        l->error = "its search tree is tangled up";
}

static void
loader_fini(struct loader *l)
{
    struct class_entry *c, *next_c;

    HASH_ITER (hh, l->classes, c, next_c) {
        HASH_DEL(l->classes, c);
        mem_free(c);
    }
    mem_free(l->known);
    mem_free(l->made);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static const char *
load_mmdb(struct loader *l, const char *path, uint64_t data_size)
{
    struct geo_file *f = l->file;
    int status = MMDB_open(path, MMDB_MODE_MMAP, &l->mmdb);

    if (status != MMDB_SUCCESS)
        return MMDB_strerror(status);
    f->trie = geo_trie_new();
    f->n_classes = 1;
    f->cap_classes = 64;
    f->classes = mem_array(f->cap_classes, sizeof(*f->classes));
    f->type = mem_dup(l->mmdb.metadata.database_type, strlen(l->mmdb.metadata.database_type));
    f->build_epoch = (int64_t)l->mmdb.metadata.build_epoch;
    l->records = (struct mmdb_reader){ l->mmdb.data_section, (size_t)data_size,
        data_size * STEPS_PER_BYTE + STEPS_LEAST };
    compile_tree(l);
    MMDB_close(&l->mmdb);
    return l->error;
}

static const char *
copy_file(int from, int to, int64_t size)
{
    while (size > 0) {
        ssize_t n = sendfile(to, from, NULL, size < COPY_BYTES ? (size_t)size : (size_t)COPY_BYTES);

        if (n < 0 && errno != EINTR)
            return strerrordesc_np(errno);
        if (n == 0)
            return "it was cut while it was read";
        size -= n > 0 ? n : 0;
    }
    return NULL;
}

/* What lies before the metadata: the search tree, a separator, the records. */
static const char *
read_metadata(int fd, int64_t size, struct mmdb_metadata *ret_metadata, uint64_t *ret_data_size)
{
    size_t tail = size < MMDB_METADATA_MAX ? (size_t)size : (size_t)MMDB_METADATA_MAX, at;
    uint8_t *bytes = mem_alloc(tail);
    const char *error = "it is not a MaxMind database, or cut off";
    uint64_t before;

    if (pread(fd, bytes, tail, (off_t)(size - (int64_t)tail)) == (ssize_t)tail &&
        mmdb_metadata_find(bytes, tail, &at)) {
        error = mmdb_metadata_read(bytes + at, tail - at, ret_metadata);
        before = (uint64_t)size - (tail - at) - MMDB_METADATA_MARKER;
        if (!error && ret_metadata->tree_size + MMDB_SEPARATOR > before)
            error = "a part of it is missing";
        else if (!error)
            *ret_data_size = before - ret_metadata->tree_size - MMDB_SEPARATOR;
    }
    mem_free(bytes);
    return error;
}

static const char *
load_copy(int copy, int64_t size, struct geo_file *file)
{
    struct loader l = { .file = file };
    uint64_t data_size = 0;
    char path[64];
    const char *error = read_metadata(copy, size, &l.metadata, &data_size);

    if (error)
        return error;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
    error = load_mmdb(&l, path, data_size);
    loader_fini(&l);
    return error;
}

static const char *
load_fd(int from, struct geo_file *file)
{
    struct stat st;
    const char *error;
    int copy;

    if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
        return "it is not a regular file";
    if (st.st_mode & S_IWOTH)
        return "anybody may write to it: take that right away";
    if (st.st_size == 0)
        return "it is empty";
    if (st.st_size > FILE_MAX)
        return "it is 4 GiB or larger";
    copy = memfd_create("geo", MFD_CLOEXEC);
    if (copy < 0)
        return strerrordesc_np(errno);
    error = copy_file(from, copy, st.st_size);
    if (!error)
        error = load_copy(copy, st.st_size, file);
    close(copy);
    return error;
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
        db->infos[i] = (struct geo_db_info){ .path = str_from(db->files[i].path),
            .type = str_from(db->files[i].type),
            .build_epoch = db->files[i].build_epoch,
            .networks = db->files[i].networks };
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
        total += geo_trie_memory(db->files[i].trie) + db->files[i].cap_classes * sizeof(struct place);
    return total;
}
