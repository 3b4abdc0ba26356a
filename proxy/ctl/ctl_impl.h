/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CTL_CTL_IMPL_H
#define SEXTANT_CTL_CTL_IMPL_H

/* Shared by the files of this folder only. */

#include "proxy/base/json.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/ctl.h"
#include "proxy/ctl/table.h"

enum { CTL_WORDS = 4, CTL_PARAMETERS = 16 };

/* What was asked for. */
struct ctl {
    char **environ;
    struct arena arena;
    struct str words[CTL_WORDS]; /* the command and its arguments */
    unsigned n_words;
    struct str admin, token_file, reason; /* options; .p is NULL when they were not given */
    struct str collection, from, without;
    bool is_json, waits, repairs, deletes, may_be_behind, cancels;
    struct buf query; /* of explain: "ip=...&..." */
    int64_t timeout_us;
    struct client_place place;
    struct str token;
    struct style style;
    struct buf out, err;
};

/* A member of an answer; empty when it is no string. */
static inline struct str
ctl_text(struct json object, const char *key)
{
    return json_string(json_get(object, key));
}

/* place.c: from --admin and --token-file, else from the environment that configures a server. False after saying why not. */
bool ctl_find_place(struct ctl *c);
struct str ctl_environ(const struct ctl *c, const char *name); /* STR_NONE when it is not set */

/* wait.c: until nothing runs at the target of the command, or the time is over. An exit code. */
int ctl_wait_idle(struct ctl *c, int64_t timeout_us);

/* show.c: answers for people. */
void ctl_show_status(struct ctl *c, struct json root);
void ctl_show_overrides(struct ctl *c, struct json root);
void ctl_show_hold(struct ctl *c, struct json root);
void ctl_show_reload(struct ctl *c, struct json root);
void ctl_show_level(struct ctl *c, struct json root);
double ctl_number(struct json object, const char *key); /* 0 when it is none */
struct str ctl_duration(struct ctl *c, double seconds);

/* lanes.c: of those that concern copies. */
void ctl_show_lanes(struct ctl *c, struct json root);
void ctl_show_adopt(struct ctl *c, struct json root);
void ctl_show_held(struct ctl *c, struct json root);
void ctl_show_retry(struct ctl *c, struct json root);
void ctl_show_resync(struct ctl *c, struct json root);
void ctl_show_restore(struct ctl *c, struct json root);
int ctl_compare(struct ctl *c); /* an exit code */

/* freeze.c */
int ctl_freeze(struct ctl *c);                          /* an exit code */
void ctl_show_changes(struct ctl *c, struct json root); /* what is frozen and restored, if anything */
void ctl_show_unfreeze(struct ctl *c, struct json root);
void ctl_show_release(struct ctl *c, struct json root);

/* ctl.c */
void ctl_put_by(struct ctl *c, struct json_writer *w);
/* One request and its answer, which is there with CTL_DONE; else it was said why not. An exit code. */
int ctl_request(struct ctl *c, const struct client_request *request, struct client_answer *ret_answer);
void ctl_say_unreached(struct ctl *c, int error);
int ctl_refused(struct ctl *c, const struct client_answer *a, struct json root);

#endif
