#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "tools/probe/result.h"

/* jansson takes NULL for a value that could not be made and fails then: one check at the end. */

static json_t *certificate_json(const struct chain_facts *facts)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b}",
                     "subject", facts->subject, "issuer", facts->issuer, "names", facts->names,
                     "serial", facts->serial, "not_before", facts->not_before, "not_after",
                     facts->not_after, "days_left", (json_int_t)facts->days_left, "key", facts->key,
                     "signature", facts->signature, "sha256", facts->sha256, "issuer_url",
                     facts->issuer_url, "ocsp_url", facts->ocsp_url, "is_authority",
                     facts->is_authority, "is_self_signed", facts->is_self_signed, "must_staple",
                     facts->must_staple);
}

static json_t *texts_json(char *const *texts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_string(texts[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *problems_json(const struct cert_report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; i < report->count; i++) {
        const struct cert_problem *problem = &report->problems[i];
        json_t *entry =
            json_pack("{s:s, s:b, s:s}", "kind", cert_problem_name(problem->kind), "breaks",
                      cert_problem_breaks(problem->kind), "text", problem->text);

        if (json_array_append_new(list, entry) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *chain_json(const struct tls_probe_report *tls)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tls->certificates_count; i++)
        if (json_array_append_new(list, certificate_json(&tls->certificates[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *tls_json(const struct probe_result *result)
{
    const struct tls_probe_report *tls = &result->tls;

    if (!result->has_tls)
        return json_null();
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:b, s:o}, s:{s:s, s:b, s:s, s:s}, s:I, s:o, s:o, "
        "s:{s:i, s:i, s:s}, s:o}",
        "version", tls->version, "cipher", tls->cipher, "group", tls->group, "alpn", tls->alpn,
        "resumption", "tls13", probe_resumption_text(result->resumption_13), "tls12",
        probe_resumption_text(result->resumption_12), "client_certificate", "requested",
        tls->certificate_requested, "authorities",
        texts_json(tls->authorities, tls->authorities_count), "staple", "status",
        tls_staple_name(tls->staple), "signed", tls->staple_is_signed, "this_update",
        tls->staple_this_update, "next_update", tls->staple_next_update, "chain_bytes",
        (json_int_t)tls->chain_bytes, "chain", chain_json(tls), "path",
        texts_json(tls->path, tls->path_count), "verify", "code", tls->verify_error, "depth",
        tls->verify_depth, "text", tls->verify_text, "problems", problems_json(&tls->problems));
}

static json_t *lines_json(const struct probe_answer *answer)
{
    struct slice rest = { answer->heads, answer->heads_length }, line;
    json_t *list = json_array();

    while (probe_next_line(&rest, &line)) {
        char *shown = probe_escape(line.ptr, line.len);
        int r = shown ? json_array_append_new(list, json_string(shown)) : -1;

        free(shown);
        if (r < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *times_json(const struct probe_result *result)
{
    json_t *times = json_object();

    for (int i = 0; i < PROBE_PHASES; i++)
        if (result->phases[i].reached &&
            json_object_set_new(times, probe_phase_name(i), json_real(result->phases[i].ms)) < 0) {
            json_decref(times);
            return NULL;
        }
    return times;
}

int probe_print_json(const struct probe_options *options, const struct probe_result *result,
                     FILE *stream)
{
    json_t *document = json_pack(
        "{s:s, s:b, s:s, s:s, s:s, s:o, s:b, s:{s:i, s:o, s:I, s:b}, s:o}", "url", options->url,
        "pass", result->is_fine, "kind", result->kind, "verdict", result->verdict, "address",
        result->address, "tls", tls_json(result), "request_sent", result->request_was_sent,
        "answer", "status", (int)result->answer.status, "lines", lines_json(&result->answer),
        "content_bytes", (json_int_t)result->answer.content_bytes, "complete",
        result->answer.complete, "times_ms", times_json(result));
    int r = document && json_dumpf(document, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0
                ? 0
                : -ENOMEM;

    (void)fputc('\n', stream); /* what is wrong with the stream shows when it is flushed */
    json_decref(document);
    return r;
}
