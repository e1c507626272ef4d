#include <inttypes.h>
#include <stdlib.h>

#include "tools/probe/result.h"

static void print_certificate(const struct chain_facts *facts, size_t number, FILE *stream)
{
    (void)fprintf(stream, "  %zu  %s%s\n", number, facts->subject,
                  facts->is_self_signed ? " (self-signed)"
                  : facts->is_authority ? " (authority)"
                                        : "");
    (void)fprintf(stream, "     issuer     %s\n", facts->issuer);
    if (facts->names[0])
        (void)fprintf(stream, "     names      %s\n", facts->names);
    (void)fprintf(stream, "     valid      %s to %s (%ld days left)\n", facts->not_before,
                  facts->not_after, facts->days_left);
    (void)fprintf(stream, "     key        %s, signed with %s%s\n", facts->key, facts->signature,
                  facts->must_staple ? ", must-staple" : "");
    (void)fprintf(stream, "     serial     %s\n     sha256     %s\n", facts->serial, facts->sha256);
    if (facts->issuer_url[0])
        (void)fprintf(stream, "     issuer at  %s (not fetched)\n", facts->issuer_url);
}

static void print_path(const struct tls_probe_report *tls, FILE *stream)
{
    if (tls->verify_error == 0)
        (void)fprintf(stream, "verified: OK\n");
    else
        (void)fprintf(stream, "verified: no, %s (OpenSSL error %d at depth %d)\n", tls->verify_text,
                      tls->verify_error, tls->verify_depth);
    for (size_t i = 0; i < tls->path_count; i++)
        (void)fprintf(stream, "  %s %s\n", i ? "<-" : "  ", tls->path[i]);
}

static void print_client_certificate(const struct tls_probe_report *tls, FILE *stream)
{
    if (!tls->certificate_requested) {
        (void)fprintf(stream, "client certificate: not requested\n");
        return;
    }
    (void)fprintf(stream, "client certificate: requested%s\n",
                  tls->authorities_count ? ", accepted issuers:" : ", no list of accepted issuers");
    for (size_t i = 0; i < tls->authorities_count; i++)
        (void)fprintf(stream, "  %s\n", tls->authorities[i]);
}

static void print_staple(const struct tls_probe_report *tls, FILE *stream)
{
    (void)fprintf(stream, "ocsp staple: %s", tls_staple_name(tls->staple));
    if (tls->staple_this_update[0])
        (void)fprintf(stream, ", from %s to %s%s", tls->staple_this_update,
                      tls->staple_next_update[0] ? tls->staple_next_update : "any time",
                      tls->staple_is_signed ? "" : ", NOT signed by the issuer");
    (void)fprintf(stream, "\n");
}

static void print_tls(const struct probe_result *result, FILE *stream)
{
    const struct tls_probe_report *tls = &result->tls;

    for (size_t i = 0; i < tls->problems.count; i++)
        (void)fprintf(stream, "%s%s [%s]\n",
                      i ? "          " : "problems: ", tls->problems.problems[i].text,
                      cert_problem_name(tls->problems.problems[i].kind));
    (void)fprintf(stream, "tls: %s, %s, group %s, alpn %s\n", tls->version, tls->cipher,
                  tls->group[0] ? tls->group : "none", tls->alpn[0] ? tls->alpn : "none");
    (void)fprintf(stream, "resumption: TLS 1.3 %s; TLS 1.2 %s\n",
                  probe_resumption_text(result->resumption_13),
                  probe_resumption_text(result->resumption_12));
    print_client_certificate(tls, stream);
    print_staple(tls, stream);
    (void)fprintf(stream, "chain as sent, %zu bytes:\n", tls->chain_bytes);
    for (size_t i = 0; i < tls->certificates_count; i++)
        print_certificate(&tls->certificates[i], i, stream);
    print_path(tls, stream);
}

static void print_answer(const struct probe_answer *answer, FILE *stream)
{
    struct slice rest = { answer->heads, answer->heads_length }, line;

    (void)fprintf(stream, "answer, as received:\n");
    while (probe_next_line(&rest, &line)) {
        char *shown = probe_escape(line.ptr, line.len);

        (void)fprintf(stream, "  %s\n", shown ? shown : "(out of memory)");
        free(shown);
    }
    (void)fprintf(stream, "  (content: %" PRIu64 " bytes, %s)\n", answer->content_bytes,
                  answer->complete ? "complete" : "not complete");
}

void probe_print_text(const struct probe_options *options, const struct probe_result *result,
                      FILE *stream)
{
    (void)fprintf(stream, "%s %s: %s [%s]\n", result->is_fine ? "PASS" : "FAIL", options->url,
                  result->verdict, result->kind);
    if (result->address[0])
        (void)fprintf(stream, "address: %s\n", result->address);
    if (result->has_tls)
        print_tls(result, stream);
    if (result->answer.heads_length)
        print_answer(&result->answer, stream);
    else if (result->has_tls && !result->request_was_sent)
        (void)fprintf(stream, "request: not sent, the server is not trusted (--insecure sends "
                              "it)\n");
    (void)fprintf(stream, "times:");
    for (int i = 0; i < PROBE_PHASES; i++)
        if (result->phases[i].reached)
            (void)fprintf(stream, " %s %.1f ms", probe_phase_name(i), result->phases[i].ms);
    (void)fprintf(stream, "\n");
}
