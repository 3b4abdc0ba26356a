/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/write_rule.h"

static const struct write_rule rules[] = {
    { OP_UPSERT_POINTS, "upsert", { "batch" }, { "update_filter", "update_mode" }, WRITE_VECTORS },
    { OP_DELETE_POINTS, "delete", { NULL }, { "filter" }, WRITE_DELETES },
    { OP_UPDATE_VECTORS, "update_vectors", { NULL }, { "update_filter" }, WRITE_VECTORS | WRITE_PATCHES },
    { OP_DELETE_VECTORS, "delete_vectors", { "vector", "vectors" }, { "filter" }, WRITE_PATCHES | WRITE_BOTH },
    { OP_SET_PAYLOAD, "set_payload", { "payload" }, { "filter", "key" }, WRITE_PATCHES | WRITE_PAYLOAD },
    { OP_OVERWRITE_PAYLOAD, "overwrite_payload", { "payload" }, { "filter", "key" }, WRITE_PATCHES | WRITE_PAYLOAD },
    { OP_DELETE_PAYLOAD, "delete_payload", { "keys" }, { "filter" }, WRITE_PATCHES | WRITE_PAYLOAD },
    { OP_CLEAR_PAYLOAD, "clear_payload", { NULL }, { "filter" }, WRITE_PATCHES | WRITE_PAYLOAD },
};
enum { RULES = sizeof(rules) / sizeof(*rules) };

const struct write_rule *
write_rule_of(enum op_id id)
{
    for (size_t i = 0; i < RULES; i++) {
        if (rules[i].id == id)
            return &rules[i];
    }
    return NULL;
}

const struct write_rule *
write_rule_named(struct str name)
{
    for (size_t i = 0; i < RULES; i++) {
        if (str_eq(name, str_from(rules[i].name)))
            return &rules[i];
    }
    return NULL;
}

static bool
has_member(const char *const members[WRITE_MEMBERS_MAX], struct str member)
{
    for (unsigned i = 0; i < WRITE_MEMBERS_MAX && members[i]; i++) {
        if (str_eq(member, str_from(members[i])))
            return true;
    }
    return false;
}

bool
write_rule_has_content(const struct write_rule *rule, struct str member)
{
    return has_member(rule->content, member);
}

bool
write_rule_has_condition(const struct write_rule *rule, struct str member)
{
    return has_member(rule->conditions, member);
}
