/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/pressure.h"

enum { WINDOW_US = 500 * 1000, UNIT = 1024 };

int64_t
pressure_usual_us(const struct pressure *p, enum op_id op)
{
    if (atomic_load_explicit(&p->usual[op].n, memory_order_relaxed) < USUAL_SAMPLES)
        return 0;
    return atomic_load_explicit(&p->usual[op].us, memory_order_relaxed);
}

static void
learn(struct pressure *p, enum op_id op, int64_t took_us, int64_t now_us)
{
    struct usual u = {
        .us = atomic_load_explicit(&p->usual[op].us, memory_order_relaxed),
        .n = atomic_load_explicit(&p->usual[op].n, memory_order_relaxed),
        .next_us = atomic_load_explicit(&p->usual[op].next_us, memory_order_relaxed),
    };

    if (now_us < u.next_us)
        return;
    usual_learn(&u, took_us, now_us);
    atomic_store_explicit(&p->usual[op].us, u.us, memory_order_relaxed);
    atomic_store_explicit(&p->usual[op].n, u.n, memory_order_relaxed);
    atomic_store_explicit(&p->usual[op].next_us, u.next_us, memory_order_relaxed);
}

static void
relearn(struct pressure *p)
{
    for (unsigned op = 0; op < OP_COUNT; op++) {
        atomic_store_explicit(&p->usual[op].n, 0, memory_order_relaxed);
        atomic_store_explicit(&p->usual[op].next_us, 0, memory_order_relaxed);
    }
}

/* By who holds is_stepping. A window with few samples goes on. */
static void
step(struct pressure *p, const struct limit_conf *conf, int64_t now_us)
{
    struct limit_window w;
    unsigned long n = atomic_load_explicit(&p->n, memory_order_relaxed);

    if (n < LIMIT_SAMPLES || now_us < atomic_load_explicit(&p->until_us, memory_order_relaxed))
        return;
    n = atomic_exchange_explicit(&p->n, 0, memory_order_relaxed);
    w.multiple = (double)atomic_exchange_explicit(&p->sum, 0, memory_order_relaxed) / UNIT / (double)n;
    w.peak = atomic_exchange_explicit(&p->peak, 0, memory_order_relaxed);
    limit_step(&p->state, conf, &w);
    if (p->state.must_relearn)
        relearn(p);
    atomic_store_explicit(&p->limit, p->state.now, memory_order_relaxed);
    atomic_store_explicit(&p->is_strained, p->state.is_strained, memory_order_relaxed);
    atomic_store_explicit(&p->until_us, now_us + WINDOW_US, memory_order_relaxed);
}

void
pressure_sample(
    struct pressure *p, const struct limit_conf *conf, enum op_id op, int64_t took_us, bool is_open, int64_t now_us)
{
    int64_t usual = pressure_usual_us(p, op);
    int64_t multiple = usual ? took_us * UNIT / usual : UNIT;

    if (is_open && (!usual || (double)multiple < conf->tolerance * UNIT))
        return;
    if (!is_open && !atomic_load_explicit(&p->is_strained, memory_order_relaxed))
        learn(p, op, took_us, now_us);
    if (!usual)
        return;
    if (multiple > LIMIT_MULTIPLE_MAX * UNIT)
        multiple = LIMIT_MULTIPLE_MAX * UNIT;
    atomic_fetch_add_explicit(&p->sum, (unsigned long)multiple, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->n, 1, memory_order_relaxed);
    if (now_us < atomic_load_explicit(&p->until_us, memory_order_relaxed) ||
        atomic_flag_test_and_set_explicit(&p->is_stepping, memory_order_acquire))
        return;
    step(p, conf, now_us);
    atomic_flag_clear_explicit(&p->is_stepping, memory_order_release);
}
