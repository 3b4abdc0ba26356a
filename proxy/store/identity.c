/* SPDX-License-Identifier: Apache-2.0
 *
 *   sextant journal 1
 *   uuid 2c1f0a5e-7a33-4b8e-9a41-0d5f1c7be821
 *   starts 17
 *   crc32c 5d1e0a77        of the lines before it
 */
#include "proxy/store/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "proxy/base/crc32c.h"
#include "proxy/base/random.h"

#define NAME "identity"

void
journal_uuid_print(const struct journal_uuid *uuid, char ret_text[UUID_TEXT_BYTES])
{
    char *to = ret_text;

    for (unsigned i = 0; i < JOURNAL_UUID_BYTES; i++)
        to += snprintf(to, (size_t)(ret_text + UUID_TEXT_BYTES - to), "%s%02x",
            i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "", uuid->bytes[i]);
}

void
identity_print(const struct identity *i, struct buf *out)
{
    char uuid[UUID_TEXT_BYTES];
    struct buf text = { 0 };

    journal_uuid_print(&i->uuid, uuid);
    buf_printf(&text, "sextant journal 1\nuuid %s\nstarts %" PRIu32 "\n", uuid, i->starts);
    buf_add(out, buf_str(&text));
    buf_printf(out, "crc32c %08" PRIx32 "\n", crc32c(0, buf_str(&text)));
    buf_fini(&text);
}

static bool
parse_uuid(struct str text, struct journal_uuid *ret_uuid)
{
    unsigned n = 0;

    for (size_t i = 0; i + 1 < text.len && n < JOURNAL_UUID_BYTES; i++) {
        int high = str_hex_value(text.p[i]), low = str_hex_value(text.p[i + 1]);

        if (text.p[i] == '-')
            continue;
        if (high < 0 || low < 0)
            return false;
        ret_uuid->bytes[n++] = (uint8_t)(high << 4 | low);
        i++;
    }
    return n == JOURNAL_UUID_BYTES;
}

bool
identity_parse(struct str text, struct identity *ret_identity)
{
    struct identity i = { .starts = 0 };
    struct str rest = text, line, word, value;
    struct buf again = { 0 };
    uint64_t starts;
    bool ok;

    str_cut(rest, '\n', &line, &rest);
    str_cut(rest, '\n', &line, &rest);
    str_cut(line, ' ', &word, &value);
    if (!parse_uuid(value, &i.uuid))
        return false;
    str_cut(rest, '\n', &line, &rest);
    str_cut(line, ' ', &word, &value);
    if (!str_to_u64(value, &starts) || starts > UINT32_MAX)
        return false;
    i.starts = (uint32_t)starts;
    identity_print(&i, &again); /* what is printed the same was the same, its sum too */
    ok = str_eq(buf_str(&again), text);
    buf_fini(&again);
    if (ok)
        *ret_identity = i;
    return ok;
}

int
identity_read(const struct folder *f, struct identity *ret_identity, struct buf *ret_error)
{
    struct buf text = { 0 };
    int error = folder_read(f, NAME, 1024, &text);

    if (error && error != -ENOENT)
        buf_printf(ret_error, "%s/" NAME ": it cannot be read: %s", f->path, strerror(-error));
    if (!error && !identity_parse(buf_str(&text), ret_identity)) {
        buf_printf(ret_error,
            "%s/" NAME ": it is damaged, or was written by a version of Sextant that this one does not know", f->path);
        error = -EBADMSG;
    }
    buf_fini(&text);
    return error;
}

void
identity_draw(struct identity *ret_identity)
{
    uint8_t *bytes = ret_identity->uuid.bytes;
    struct random r;

    random_init(&r);
    ret_identity->starts = 0;
    for (unsigned i = 0; i < JOURNAL_UUID_BYTES; i++)
        bytes[i] = (uint8_t)(random_next(&r) >> 32);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* RFC 9562 §5.4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
}

int
identity_write(const struct folder *f, const struct identity *i, struct buf *ret_error)
{
    struct buf text = { 0 };
    int error;

    identity_print(i, &text);
    error = folder_write(f, NAME, buf_str(&text));
    buf_fini(&text);
    if (error)
        buf_printf(ret_error, "%s/" NAME ": it cannot be written: %s", f->path, strerror(-error));
    return error;
}
