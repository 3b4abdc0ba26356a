/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_PROXY_PROTOCOL_H
#define SEXTANT_NET_PROXY_PROTOCOL_H

/* The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt). Pure. */

#include "proxy/base/addr.h"

struct proxy_header {
    bool is_local; /* LOCAL or UNKNOWN, or a sender without an IP address: use the real peer. The rest is zero then. */
    struct addr source, destination;
    uint16_t source_port, destination_port;
};

/* Bytes used (> 0) when complete, 0 when more are needed, -1 when it cannot become a valid header. At most 107 bytes in
 * version 1 and 16 + 4096 in version 2 are ever waited for; TLVs are skipped, a CRC32C TLV is not checked.
 * Bytes that follow a header never change its meaning. *ret_header is written only when complete. */
int proxy_header_parse(struct str input, struct proxy_header *ret_header);

#endif
