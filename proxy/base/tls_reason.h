/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_TLS_REASON_H
#define SEXTANT_BASE_TLS_REASON_H

/* Why a TLS handshake failed; the list stands in tls_reason.def. TLS_REASON_NONE is zero. */

enum tls_reason {
#define REASON(id, label, sentence) TLS_REASON_##id,
#include "proxy/base/tls_reason.def"
#undef REASON
    TLS_REASON_COUNT
};

const char *tls_reason_label(enum tls_reason reason);
const char *tls_reason_sentence(enum tls_reason reason);

#endif
