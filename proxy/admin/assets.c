/* SPDX-License-Identifier: Apache-2.0
 *
 * The assembler takes the files in as they are; the Makefile has this file compiled anew when one of them changes.
 */
#include "proxy/admin/assets.h"

#include <inttypes.h>

/* clang-format off */
#define ASSET(id, path, file, content_type) \
    __asm__(".pushsection .rodata\n" \
            "asset_" #id ": .incbin \"proxy/admin/assets/" file "\"\n" \
            "asset_" #id "_end: .byte 0\n" \
            ".popsection\n"); \
    extern const char asset_##id[], asset_##id##_end[];
#include "proxy/admin/admin_assets.def"
#undef ASSET
/* clang-format on */

static const struct asset assets[] = {
#define ASSET(id, path, file, content_type) \
    { { path, sizeof(path) - 1 }, { content_type, sizeof(content_type) - 1 }, asset_##id, asset_##id##_end },
#include "proxy/admin/admin_assets.def"
#undef ASSET
};

const struct asset *
asset_find(struct str path)
{
    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
        if (str_eq(path, assets[i].path))
            return &assets[i];
    }
    return NULL;
}

/* FNV-1a: tells versions apart, guards nothing. */
static struct str
tag_of(const struct asset *a, struct arena *arena)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (const char *p = a->begin; p < a->end; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return arena_printf(arena, "\"%016" PRIx64 "\"", h);
}

void
asset_add_fields(const struct asset *a, struct message *answer, struct arena *arena)
{
    message_add(answer, STR("content-type"), a->content_type);
    message_add(answer, STR("etag"), tag_of(a, arena));
    message_add(answer, STR("cache-control"), STR("no-cache"));
    message_add(answer, STR("x-content-type-options"), STR("nosniff"));
    message_add(answer, STR("referrer-policy"), STR("no-referrer"));
    message_add(answer, STR("cross-origin-resource-policy"), STR("same-origin"));
    /* Nothing from elsewhere, nothing inline, in nobody's frame: what the page shows was written by others. */
    message_add(answer, STR("content-security-policy"),
        STR("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
}

bool
asset_is_known(const struct asset *a, const struct message *request, struct arena *arena)
{
    const struct field *field = message_find_name(request, STR("if-none-match"));
    struct str rest = field ? field->value : STR_NONE, one, tag = tag_of(a, arena);

    while (rest.len) {
        str_cut(rest, ',', &one, &rest);
        one = str_trim(one);
        if (str_eq(str_starts(one, STR("W/")) ? str_skip(one, 2) : one, tag))
            return true;
    }
    return false;
}
