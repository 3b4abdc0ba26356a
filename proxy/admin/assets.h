/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_ASSETS_H
#define SEXTANT_ADMIN_ASSETS_H

/* The files of the page for people; they stand in admin_assets.def. */

#include "proxy/http/message.h"

struct asset {
    struct str path, content_type;
    const char *begin, *end;
};

/* NULL: none of that path. */
const struct asset *asset_find(struct str path);
static inline struct str
asset_body(const struct asset *a)
{
    return str_make(a->begin, (size_t)(a->end - a->begin));
}
/* Fields of its answer, the content type among them; values live in `arena`. The ETag changes with the content. */
void asset_add_fields(const struct asset *a, struct message *answer, struct arena *arena);
/* Does whoever asks have this very content already (If-None-Match, RFC 9110 §13.1.2)? */
bool asset_is_known(const struct asset *a, const struct message *request, struct arena *arena);

#endif
