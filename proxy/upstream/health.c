/* SPDX-License-Identifier: Apache-2.0
 *
 *            fail                 fails >= fall, probes among them
 *   NEW,UP ---------> DOUBT ------------------------------------> DOWN
 *     ^    <---------   |  fails >= fall, traffic only             |
 *     |     success     +----------------> EJECTED --------------->|  probes fail as well
 *     |                                       | until_us           | rise probes passed, until_us
 *     +------------ RAMP <--------------------+--------------------+
 *       ramp_us
 *
 * Consecutive failures of probes and traffic are counted apart, as a running Qdrant passes probes while its requests fail;
 * together they decide. Each fall soon after the last doubles the time out, up to a limit.
 */
#include "proxy/upstream/health.h"

enum { SHIFT_MAX = 16 };

const char *
health_state_name(enum health_state state)
{
    static const char *const names[HEALTH_STATE_COUNT] = { "new", "up", "doubt", "ramp-up", "ejected", "down" };

    return names[state];
}

static void
count_event(struct health *h, enum health_event event)
{
    switch (event) {
    case HEALTH_PROBE_OK:
        h->probe_fails = 0;
        h->probe_oks++;
        break;
    case HEALTH_PROBE_FAIL:
        h->probe_oks = 0;
        h->probe_fails++;
        break;
    case HEALTH_TRAFFIC_OK:
        if (++h->traffic_oks >= HEALTH_FORGIVE)
            h->traffic_fails = 0;
        break;
    case HEALTH_TRAFFIC_FAIL:
        h->traffic_oks = 0;
        h->traffic_fails++;
        break;
    case HEALTH_TICK:
        break;
    }
}

static int64_t
time_out_us(const struct health *h, const struct health_conf *conf)
{
    unsigned shift = h->falls > 1 ? h->falls - 1 : 0;
    int64_t time = conf->eject_base_us << (shift < SHIFT_MAX ? shift : (unsigned)SHIFT_MAX);

    return time < conf->eject_max_us ? time : conf->eject_max_us;
}

static void
enter(struct health *h, enum health_state state, int64_t now_us)
{
    h->state = state;
    h->since_us = now_us;
}

static void
fall(struct health *h, const struct health_conf *conf, int64_t now_us)
{
    bool was_calm = h->until_us == 0 || now_us - h->until_us > 2 * time_out_us(h, conf) + conf->eject_base_us;

    h->falls = was_calm ? 1 : h->falls + 1;
    h->until_us = now_us + time_out_us(h, conf);
    enter(h, h->probe_fails ? HEALTH_DOWN : HEALTH_EJECTED, now_us);
    /* A first fall seen by probes may be a restart: come back as soon as they pass. */
    if (h->state == HEALTH_DOWN && h->falls == 1)
        h->until_us = now_us;
    h->probe_oks = 0;
}

static void
come_back(struct health *h, int64_t now_us)
{
    h->traffic_fails = h->traffic_oks = h->probe_fails = 0;
    enter(h, HEALTH_RAMP, now_us);
}

static void
step_in_use(struct health *h, const struct health_conf *conf, int64_t now_us)
{
    unsigned fails = h->probe_fails + h->traffic_fails;

    if (fails >= conf->fall)
        fall(h, conf, now_us);
    else if (fails && h->state != HEALTH_DOUBT)
        enter(h, HEALTH_DOUBT, now_us);
    else if (!fails && (h->state == HEALTH_DOUBT || (h->state == HEALTH_NEW && (h->probe_oks || h->traffic_oks))))
        enter(h, HEALTH_UP, now_us);
    else if (h->state == HEALTH_RAMP && now_us - h->since_us >= conf->ramp_us)
        enter(h, HEALTH_UP, now_us);
}

bool
health_step(struct health *h, const struct health_conf *conf, enum health_event event, int64_t now_us)
{
    enum health_state before = h->state;

    count_event(h, event);
    if (health_is_usable(h->state))
        step_in_use(h, conf, now_us);
    else if (h->state == HEALTH_EJECTED && h->probe_fails >= conf->fall)
        enter(h, HEALTH_DOWN, now_us);
    else if (h->state == HEALTH_EJECTED && now_us >= h->until_us && h->probe_fails == 0)
        come_back(h, now_us);
    else if (h->state == HEALTH_DOWN && now_us >= h->until_us && h->probe_oks >= conf->rise)
        come_back(h, now_us);
    return h->state != before;
}

bool
health_is_doubtful(const struct health *h)
{
    return h->state == HEALTH_NEW || h->state == HEALTH_DOUBT || (h->state == HEALTH_EJECTED && h->probe_fails) ||
           (h->state == HEALTH_DOWN && h->probe_oks);
}

double
health_share(const struct health *h, const struct health_conf *conf, int64_t now_us)
{
    double share;

    if (h->state != HEALTH_RAMP || conf->ramp_us <= 0)
        return 1;
    share = (double)(now_us - h->since_us) / (double)conf->ramp_us;
    return share < 0.1 ? 0.1 : share > 1 ? 1 : share;
}
