/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/tls_reason.h"

static const struct {
    const char *label, *sentence;
} reasons[] = {
#define REASON(id, label, sentence) { label, sentence },
#include "proxy/base/tls_reason.def"
#undef REASON
};

const char *
tls_reason_label(enum tls_reason reason)
{
    return reasons[reason].label;
}

const char *
tls_reason_sentence(enum tls_reason reason)
{
    return reasons[reason].sentence;
}
