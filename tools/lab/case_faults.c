#include "tools/lab/case_faults.h"

#include <string.h>

#include "core/slice.h"

/* Times are stated ones; what is idle waits for CASE_PAUSE_MS, which is longer. */
const struct case_wire_fault case_wire_faults[] = {
    { "wire-refuse", "refuse", "connections are refused", false },
    { "wire-black-hole", "black-hole", "a SYN gets no answer", false },
    { "wire-accept-reset", "accept-reset", "connections are reset at once", false },
    { "wire-connect-delay", "connect-delay:ms=5000", "connections are made 5 s late", false },
    { "wire-latency", "latency:ms=2000", "bytes arrive 2 s late", false },
    { "wire-bandwidth", "bandwidth:bytes_per_second=100", "100 bytes a second pass", false },
    { "wire-slice", "slice:bytes=7,pause_ms=100", "7 bytes at a time, 100 ms apart", false },
    { "wire-corrupt", "corrupt:direction=to-client,offset=9", "a bit of the answer's status flips",
      false },
    { "wire-drop-request", "drop:direction=to-server", "nothing arrives at the server", false },
    { "wire-drop-answer", "drop:direction=to-client", "no answer comes back", false },
    { "wire-stall", "stall:direction=to-client,after_bytes=10",
      "after 10 bytes of the answer nothing passes any more", false },
    { "wire-half-close", "half-close:direction=to-server,after_bytes=30",
      "FIN to the server after 30 bytes of the request", false },
    { "wire-cut", "cut:direction=to-client,after_bytes=20", "FIN after 20 bytes of the answer",
      false },
    { "wire-reset", "reset:direction=to-client,after_bytes=20", "RST after 20 bytes of the answer",
      false },
    { "wire-idle", "idle:ms=10000", "a firewall forgets connections that were idle for 10 s",
      true },
    { "wire-idle-reset", "idle:ms=10000,then=reset",
      "a firewall resets connections that were idle for 10 s", true },
};
const size_t case_wire_faults_count = sizeof(case_wire_faults) / sizeof(case_wire_faults[0]);

static bool is_among(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

bool case_fault_is_telling(const struct fault *fault, bool is_tls)
{
    static const char *const names[] = {
        "ok",
        "status_503",
        "refused",
        "connect_blackhole",
        "accept_close",
        "accept_rst",
        "close_after_request",
        "rst_after_request",
        "close_mid_headers",
        "rst_mid_headers",
        "close_before_body_cl",
        "close_mid_body_cl",
        "close_mid_chunk",
        "rst_mid_body_cl",
        "no_answer",
        "stall_mid_headers",
        "stall_mid_body_cl",
        "slow_first_byte",
        "answer_after_65s",
        "garbage_text_close",
        "http09",
        "hdr_70k",
        "cl_and_te",
        "chunk_bad_size",
        "extra_after_cl",
        "stale_close_on_request",
        "stale_rst_on_request",
    };
    static const char *const tls_names[] = {
        "tls_selfsigned_verify", "tls_expired_verify",  "tls_wrongname_verify",
        "tls_rst_after_hello",   "tls_stall_handshake", "plain_server_on_https",
    };

    return is_among(fault->name, names, sizeof(names) / sizeof(names[0])) ||
           (is_tls && is_among(fault->name, tls_names, sizeof(tls_names) / sizeof(tls_names[0])));
}

bool case_fault_is_possible(const struct fault *fault, bool is_tls)
{
    bool is_of_tls = strcmp(fault->group ? fault->group : "", "tls") == 0 ||
                     fault->transport == FAULT_TRANSPORT_TLS;

    return fault->listen != FAULT_LISTEN_UNREACHABLE && fault->listen != FAULT_LISTEN_NONE &&
           strcmp(fault->group ? fault->group : "", "client") != 0 && (!is_of_tls || is_tls);
}

bool case_fault_wants_warm(const struct fault *fault)
{
    return fault->group && strcmp(fault->group, "stale") == 0;
}
