/* SPDX-License-Identifier: Apache-2.0
 *
 * After a drain: until nothing runs there any more.
 */
#include <poll.h>

#include "proxy/base/clock.h"
#include "proxy/ctl/ctl_impl.h"

enum { PAUSE_MS = 100, ANSWER_US = 5 * 1000 * 1000 };

/* What runs at "eu" or at "eu/1"; false when there is no such thing in the status. */
static bool
count_running(struct json root, struct str target, uint64_t *ret_running)
{
    for (struct json_iter i = json_iter(json_get(root, "clusters")); json_next(&i);) {
        if (str_eq(ctl_text(i.value, "name"), target))
            return str_to_u64(json_number(json_get(i.value, "outstanding")), ret_running);
        for (struct json_iter k = json_iter(json_get(i.value, "endpoints")); json_next(&k);) {
            if (str_eq(ctl_text(k.value, "name"), target))
                return str_to_u64(json_number(json_get(k.value, "outstanding")), ret_running);
        }
    }
    return false;
}

static int
ask_running(struct ctl *c, uint64_t *ret_running)
{
    struct client_request request = {
        .method = "GET", .target = STR("/status?events=0"), .token = c->token, .timeout_us = ANSWER_US
    };
    struct client_answer answer = { .status = 0 };
    int error = client_ask(&c->place, &request, &answer);
    struct json_doc *doc = error || answer.status != 200 ? NULL : json_parse(buf_str(&answer.body), NULL, NULL);
    bool ok = doc && count_running(json_root(doc), c->words[1], ret_running);

    json_free(doc);
    buf_fini(&answer.body);
    return ok ? CTL_DONE : error ? CTL_UNREACHABLE : CTL_REFUSED;
}

int
ctl_wait_idle(struct ctl *c, int64_t timeout_us)
{
    int64_t until_us = clock_mono_us() + timeout_us;
    uint64_t running = 1;

    for (;;) {
        int code = ask_running(c, &running);

        if (code != CTL_DONE) {
            buf_add(&c->err, STR("sextant ctl: what still runs there cannot be found out\n"));
            return code;
        }
        if (running == 0)
            return CTL_DONE;
        if (clock_mono_us() >= until_us)
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    buf_printf(
        &c->err, "sextant ctl: %llu still under way there; the override stays in force\n", (unsigned long long)running);
    return CTL_REFUSED;
}
