/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/store/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "proxy/base/digest.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/store/chain.h"
#include "proxy/store/renew.h"

enum { PREVIEW_BYTES = 60, FLUSH_BYTES = 64 * 1024 };

struct look {
    struct folder folder;
    struct chain chain;
    uint64_t from_lsn, records, last_lsn;
    bool is_json;
    struct buf out;
    unsigned n_faults;
};

void
journal_command_help(struct buf *out)
{
    buf_add(
        out, STR("  sextant journal verify DIR\n"
                 "                     read all of a journal, or a copy of one, and say what is wrong where\n"
                 "  sextant journal dump DIR [--from LSN] [--json]\n"
                 "                     its records\n"
                 "  sextant journal new DIR [--replace]\n"
                 "                     begin a new one where it was lost or is damaged; see docs/journal.md first\n"));
}

static void
flush(FILE *to, struct buf *text)
{
    if (buf_len(text))
        fwrite(buf_str(text).p, 1, buf_len(text), to);
    buf_clear(text);
}

static void
complain(struct look *l, struct buf *error)
{
    flush(stdout, &l->out);
    fflush(stdout);
    buf_putc(error, '\n');
    flush(stderr, error);
    buf_fini(error);
    l->n_faults++;
}

/* False after saying what is in the way. */
static bool
look_at(struct look *l, const char *dir)
{
    struct identity identity;
    struct buf error = { 0 };
    int code = folder_open_to_read(&l->folder, dir, &error);

    if (!code) {
        code = identity_read(&l->folder, &identity, &error);
        if (code == -ENOENT)
            buf_printf(&error, "%s: there is no journal: it has no file called identity", dir);
    }
    if (!code)
        code = chain_load(&l->chain, &l->folder, &identity, &error);
    if (code)
        complain(l, &error);
    return code == 0;
}

/* --- verify ------------------------------------------------------------------------------------------------------ */

static int
count(const struct record *record, size_t at, void *arg)
{
    struct look *l = arg;

    l->records++;
    return 0;
}

static void
verify_segment(struct look *l, unsigned i)
{
    const struct segment_header *h = &l->chain.segments[i];
    struct segment_scan s = { .at = 0 };
    char name[FOLDER_NAME_BYTES];
    struct buf error = { 0 };

    l->records = 0;
    folder_segment_name(h->generation, name);
    if (chain_scan(&l->chain, i, count, l, &s, &error)) {
        complain(l, &error);
        return;
    }
    l->last_lsn = s.lsn;
    if (l->records)
        buf_printf(&l->out, "%s  LSN %" PRIu64 " to %" PRIu64, name, h->first_lsn, s.lsn);
    else
        buf_printf(&l->out, "%s  no record yet; LSN %" PRIu64 " comes next", name, h->first_lsn);
    if (s.at > s.tail_at && s.stop_lsn == 0)
        buf_printf(&l->out, "; from offset %zu on nothing says that it is durable", s.tail_at);
    if (s.stop_lsn == 0)
        buf_printf(&l->out, "; %s at offset %zu", record_fault_text(s.fault), s.at);
    buf_putc(&l->out, '\n');
}

static void
verify_checkpoints(struct look *l)
{
    const struct checkpoint_slot *slot;
    struct buf doubt = { 0 }, error = { 0 };

    for (unsigned i = 0; i < CHECKPOINT_SLOTS; i++) {
        const struct checkpoint *c = &l->chain.slots[i].checkpoint;

        if (l->chain.slots[i].exists && !l->chain.slots[i].fault[0])
            buf_printf(&l->out, "checkpoint-%u  number %" PRIu64 ", covers LSN %" PRIu64 ", %zu bytes\n", i,
                c->sequence, c->covers_lsn, c->bytes.len);
    }
    if (chain_checkpoint(&l->chain, &slot, &doubt, &error))
        complain(l, &error);
    else if (buf_len(&doubt))
        complain(l, &doubt);
    buf_fini(&doubt);
    buf_fini(&error);
}

static void
verify(struct look *l)
{
    char uuid[UUID_TEXT_BYTES];

    journal_uuid_print(&l->chain.identity.uuid, uuid);
    buf_printf(&l->out, "journal %s, started %" PRIu32 " times\n", uuid, l->chain.identity.starts);
    for (unsigned i = 0; i < l->chain.n_segments; i++)
        verify_segment(l, i);
    verify_checkpoints(l);
    if (l->n_faults == 0)
        buf_printf(&l->out, "whole: LSN %" PRIu64 " to %" PRIu64 "\n",
            l->chain.n_segments ? l->chain.segments[0].first_lsn : 1, l->last_lsn);
}

/* --- dump -------------------------------------------------------------------------------------------------------- */

static void
dump_json(struct look *l, const struct record *r)
{
    struct json_writer w = json_writer(&l->out);
    size_t len = base64_len(r->payload.len);
    char *text = mem_grow(NULL, len + 1);

    base64_encode(r->payload, text);
    json_begin_object(&w);
    json_member_u64(&w, "lsn", r->lsn);
    json_member_u64(&w, "kind", r->kind);
    json_member_u64(&w, "ref", r->ref);
    json_key(&w, "time");
    json_put_time(&w, r->wall_us);
    json_member_u64(&w, "start", r->start);
    json_member_u64(&w, "bytes", r->payload.len);
    json_member_str(&w, "payload", str_make(text, len));
    json_end_object(&w);
    mem_free(text);
}

static void
dump_text(struct look *l, const struct record *r)
{
    size_t shown = r->payload.len < PREVIEW_BYTES ? r->payload.len : PREVIEW_BYTES;

    buf_printf(&l->out, "%" PRIu64 "  kind %u  ", r->lsn, r->kind);
    if (r->ref)
        buf_printf(&l->out, "of %" PRIu64 "  ", r->ref);
    buf_printf(&l->out, "%zu bytes  ", r->payload.len);
    for (size_t i = 0; i < shown; i++)
        buf_putc(&l->out, r->payload.p[i] >= 0x20 && r->payload.p[i] < 0x7f ? r->payload.p[i] : '.');
    if (shown < r->payload.len)
        buf_add(&l->out, STR("…"));
}

static int
dump_record(const struct record *record, size_t at, void *arg)
{
    struct look *l = arg;

    if (record->lsn < l->from_lsn)
        return 0;
    if (l->is_json)
        dump_json(l, record);
    else
        dump_text(l, record);
    buf_putc(&l->out, '\n');
    if (buf_len(&l->out) > FLUSH_BYTES)
        flush(stdout, &l->out);
    return ferror(stdout) ? -EPIPE : 0;
}

static void
dump(struct look *l)
{
    const struct chain *c = &l->chain;
    struct segment_scan s;

    for (unsigned i = 0; i < c->n_segments; i++) {
        struct buf error = { 0 };

        if (i + 1 < c->n_segments && c->segments[i + 1].first_lsn <= l->from_lsn)
            continue;
        if (chain_scan(c, i, dump_record, l, &s, &error) && buf_len(&error))
            complain(l, &error);
        buf_fini(&error);
    }
}

/* --- the command ------------------------------------------------------------------------------------------------- */

static int
usage(const char *what)
{
    struct buf out = { 0 };

    fprintf(stderr, "sextant journal: %s\n", what);
    journal_command_help(&out);
    flush(stderr, &out);
    buf_fini(&out);
    return 2;
}

/* NULL, or what is not understood. */
static const char *
parse_dump(int argc, char **argv, struct look *l)
{
    for (int i = 2; i < argc; i++) {
        struct str arg = str_from(argv[i]);

        if (str_eq(arg, STR("--json"))) {
            l->is_json = true;
            continue;
        }
        if (str_eq(arg, STR("--from")) && i + 1 < argc)
            arg = str_from(argv[++i]);
        else if (str_starts(arg, STR("--from=")))
            arg = str_skip(arg, 7);
        else
            return "dump takes --from LSN and --json";
        if (!str_to_u64(arg, &l->from_lsn))
            return "--from takes the number of a record";
    }
    return NULL;
}

static int
begin_new(int argc, char **argv)
{
    bool replaces = argc == 3 && str_eq(str_from(argv[2]), STR("--replace"));
    struct buf out = { 0 }, err = { 0 };
    int error;

    if (argc < 2 || (argc > 2 && !replaces))
        return usage("new takes a directory and --replace");
    error = journal_renew(argv[1], replaces, &out, &err);
    flush(stdout, &out);
    if (error)
        buf_putc(&err, '\n');
    flush(stderr, &err);
    buf_fini(&out);
    buf_fini(&err);
    return error ? 1 : 0;
}

int
journal_command(int argc, char **argv)
{
    struct look l = { .folder = { .fd = -1, .lock_fd = -1 } };
    bool is_dump = argc > 0 && str_eq(str_from(argv[0]), STR("dump"));
    const char *fault = NULL;

    if (argc > 0 && str_eq(str_from(argv[0]), STR("new")))
        return begin_new(argc, argv);
    if (argc < 2 || (!is_dump && !str_eq(str_from(argv[0]), STR("verify"))))
        return usage("verify DIR, dump DIR or new DIR is expected");
    fault = is_dump ? parse_dump(argc, argv, &l) : argc > 2 ? "verify takes a directory and nothing else" : NULL;
    if (fault)
        return usage(fault);
    if (look_at(&l, argv[1]))
        (is_dump ? dump : verify)(&l);
    flush(stdout, &l.out);
    buf_fini(&l.out);
    chain_fini(&l.chain);
    folder_close(&l.folder);
    return l.n_faults ? 1 : 0;
}
