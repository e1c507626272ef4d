/*
 * result: what `hopgate probe` found out.
 *
 * Role    filled phase by phase (connect.c, http.c, probe.c), printed by print_text.c and
 *         print_json.c
 * Owns    the TLS report and the bytes of the answer
 * Thread  the main thread
 */
#ifndef TOOLS_PROBE_RESULT_H
#define TOOLS_PROBE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tls/tls_probe.h"
#include "tools/probe/options.h"

enum probe_phase {
    PROBE_DNS,
    PROBE_CONNECT,
    PROBE_TLS,
    PROBE_REQUEST,    /* sending it */
    PROBE_FIRST_BYTE, /* from there to the first byte of the answer */
    PROBE_TOTAL,
    PROBE_PHASES
};

struct probe_timing {
    bool reached;
    double ms;
};

enum probe_resumption {
    PROBE_NOT_TESTED,
    PROBE_NOT_OFFERED, /* that version is not spoken */
    PROBE_NO_SESSION,  /* the server gave none */
    PROBE_NOT_RESUMED, /* it gave one and did not take it back */
    PROBE_RESUMED_BY_TICKET,
    PROBE_RESUMED_BY_ID,
};

/* Every head as received, interim ones too, up to and with its empty line. */
struct probe_answer {
    char *heads;
    size_t heads_length;
    unsigned status; /* 0: none came */
    uint64_t content_bytes;
    char *content; /* its first bytes, as many as were asked for; NULL: none */
    size_t content_length;
    bool complete;
    char proxy_status[256]; /* RFC 9209, escaped; "" none */
};

struct probe_result {
    bool is_fine;
    const char *kind; /* "ok", "missing-intermediate", "refused", ... */
    char verdict[1024];

    struct probe_timing phases[PROBE_PHASES];
    char address[80]; /* "127.0.0.1:443" connected to, or tried last; "" none */
    bool has_tls;
    struct tls_probe_report tls;
    enum probe_resumption resumption_13, resumption_12;
    bool request_was_sent;
    struct probe_answer answer;
};

/* Sets the verdict once: the first thing that is wrong counts. Unprintable bytes become '?'. */
__attribute__((format(printf, 3, 4))) void probe_fail(struct probe_result *result, const char *kind,
                                                      const char *format, ...);
bool probe_has_failed(const struct probe_result *result);
void probe_result_done(struct probe_result *result);

/* The bytes with everything but visible ASCII as \xHH; "\\" for a backslash. Heap; NULL: no memory. */
char *probe_escape(const char *bytes, size_t length);

/* The next line of a head: its bytes without CRLF; a bare LF stays with it, to be seen. */
bool probe_next_line(struct slice *rest, struct slice *ret_line);

const char *probe_phase_name(enum probe_phase phase);
const char *probe_resumption_text(enum probe_resumption resumption);

void probe_print_text(const struct probe_options *options, const struct probe_result *result,
                      FILE *stream);
/* 0 or -ENOMEM. */
int probe_print_json(const struct probe_options *options, const struct probe_result *result,
                     FILE *stream);

#endif
