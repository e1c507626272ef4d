#include "tools/probe/probe.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "tools/cli/cli.h"
#include "tools/probe/wire.h"

static const char *server_name_of(const struct probe_options *options)
{
    return options->sni ? options->sni : options->host;
}

static struct tls_probe *make_probe(const struct probe_options *options, bool tls12_only,
                                    struct tls_error *reterr)
{
    const char *name = server_name_of(options);

    return tls_probe_create(
        &(struct tls_probe_settings){ .server_name = name,
                                      .expected_name = name,
                                      .ca_pem = options->ca_pem,
                                      .certificate = { options->chain_pem, options->key_pem },
                                      .tls12_only = tls12_only,
                                      .now_s = (int64_t)time(NULL) },
        reterr);
}

/* ---- what the handshake says --------------------------------------------------------------- */

static bool is_obsolete(const char *version)
{
    return strcmp(version, "TLSv1.3") != 0 && strcmp(version, "TLSv1.2") != 0;
}

static void judge_tls(const struct tls_probe_report *tls, struct probe_result *result)
{
    const struct cert_problem *worst = cert_report_worst(&tls->problems);
    size_t others = 0;

    for (size_t i = 0; i < tls->problems.count; i++)
        if (&tls->problems.problems[i] != worst &&
            cert_problem_breaks(tls->problems.problems[i].kind))
            others++;
    if (worst && cert_problem_breaks(worst->kind))
        probe_fail(result, cert_problem_name(worst->kind), "%s%s", worst->text,
                   others ? " (there is more, see problems)" : "");
    else if (tls->verify_error != 0)
        probe_fail(result, "refused", "the chain does not verify: %s", tls->verify_text);
    else if (tls->certificates_count == 0)
        probe_fail(result, "no-certificate",
                   "the server sends no certificate; anybody could be it: configure one");
    else if (is_obsolete(tls->version))
        probe_fail(
            result, "obsolete-version",
            "the server speaks %s at most, which clients refuse (RFC 8996); turn TLS 1.2 and "
            "1.3 on",
            tls->version);
}

static bool handshake(const struct probe_options *options, struct tls_probe *probe,
                      struct wire *wire, struct probe_result *result)
{
    struct tls_probe_failure failure;
    double begin = wire_now_exact_ms();

    wire->tls = tls_probe_open(probe, wire->fd, wire_now_ms() + options->timeout_ms, &failure);
    result->phases[PROBE_TLS] = (struct probe_timing){ true, wire_now_exact_ms() - begin };
    if (!wire->tls) {
        probe_fail(result, failure.kind, "%s", failure.text);
        return false;
    }
    result->has_tls = true;
    if (tls_probe_examine(wire->tls, &result->tls) < 0)
        probe_fail(result, "memory", "out of memory");
    judge_tls(&result->tls, result);
    return !probe_has_failed(result) || options->insecure;
}

/* ---- resumption ---------------------------------------------------------------------------- */

/* One more connection, without a request. False: it did not come about. */
static bool connect_again(const struct probe_options *options, struct tls_probe *probe,
                          struct tls_probe_report *ret_tls)
{
    struct probe_result unused = { 0 };
    struct tls_probe_failure failure;
    struct wire wire;
    bool done = false;

    if (wire_connect(options, &wire, &unused) < 0)
        return false;
    wire.tls = tls_probe_open(probe, wire.fd, wire_now_ms() + options->timeout_ms, &failure);
    if (wire.tls && tls_probe_examine(wire.tls, ret_tls) == 0)
        done = true;
    else if (wire.tls)
        tls_probe_report_done(ret_tls);
    wire_close(&wire);
    return done;
}

/* The probe holds what the connection before left. */
static enum probe_resumption test_session(const struct probe_options *options,
                                          struct tls_probe *probe)
{
    struct tls_probe_report tls;
    enum probe_resumption found = PROBE_NOT_RESUMED;
    bool by_ticket;

    if (!tls_probe_has_session(probe))
        return PROBE_NO_SESSION;
    by_ticket = tls_probe_session_is_ticket(probe);
    if (!connect_again(options, probe, &tls))
        return PROBE_NOT_RESUMED;
    if (tls.resumed)
        found = by_ticket ? PROBE_RESUMED_BY_TICKET : PROBE_RESUMED_BY_ID;
    tls_probe_report_done(&tls);
    return found;
}

/* A server that prefers 1.3 may resume 1.2 or not speak it at all. */
static enum probe_resumption test_12(const struct probe_options *options)
{
    struct tls_error error;
    SCOPED(tls_probe) probe = make_probe(options, true, &error);
    struct tls_probe_report tls;

    if (!probe)
        return PROBE_NOT_TESTED;
    if (!connect_again(options, probe, &tls))
        return PROBE_NOT_OFFERED;
    tls_probe_report_done(&tls);
    return test_session(options, probe);
}

static void test_resumption(const struct probe_options *options, struct tls_probe *probe,
                            struct probe_result *result)
{
    if (strcmp(result->tls.version, "TLSv1.3") == 0) {
        result->resumption_13 = test_session(options, probe);
        result->resumption_12 = test_12(options);
    } else {
        result->resumption_12 = test_session(options, probe);
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void judge_answer(const struct probe_options *options, struct probe_result *result)
{
    const struct probe_answer *answer = &result->answer;

    if (answer->status == 400 && result->has_tls && result->tls.certificate_requested &&
        !options->chain_pem)
        probe_fail(result, "client-certificate",
                   "the server asked for a client certificate, got none and answers 400: give "
                   "--cert and --key");
    else if (answer->status == 400 && result->has_tls && result->tls.certificate_requested)
        probe_fail(result, "client-certificate",
                   "the server asked for a client certificate and answers 400: it may not accept "
                   "the one that was given; its issuer must be among the accepted authorities");
    else if (answer->status >= 500)
        probe_fail(result, "status", "the server answers %u%s%s", answer->status,
                   answer->proxy_status[0] ? "; Proxy-Status says who made it and why: " : "",
                   answer->proxy_status);
}

static void probe_server(const struct probe_options *options, struct tls_probe *probe,
                         struct probe_result *result)
{
    double begin = wire_now_exact_ms();
    struct wire wire;

    if (wire_connect(options, &wire, result) == 0) {
        if (!options->tls || handshake(options, probe, &wire, result))
            wire_exchange(&wire, options, result);
        wire_close(&wire);
        judge_answer(options, result);
    }
    result->phases[PROBE_TOTAL] = (struct probe_timing){ true, wire_now_exact_ms() - begin };
    if (result->has_tls && result->answer.status)
        test_resumption(options, probe, result);
}

static void praise(struct probe_result *result)
{
    size_t warnings = result->has_tls ? result->tls.problems.count : 0;

    result->is_fine = true;
    result->kind = "ok";
    if (result->has_tls)
        snprintf(result->verdict, sizeof(result->verdict),
                 "status %u over %s; the certificate is trusted and valid for %ld days%s",
                 result->answer.status, result->tls.version,
                 result->tls.certificates_count ? result->tls.certificates[0].days_left : 0,
                 warnings ? ", but see problems" : "");
    else
        snprintf(result->verdict, sizeof(result->verdict), "status %u, without TLS",
                 result->answer.status);
}

static int run(const struct probe_options *options)
{
    SCOPED(tls_probe) probe = NULL;
    struct probe_result result = { 0 };
    struct tls_error error = { "" };
    bool is_fine;

    if (options->tls) {
        probe = make_probe(options, options->tls12_only, &error);
        if (!probe) {
            (void)fprintf(stderr, "hopgate probe: %s\n", error.text);
            return CLI_USAGE;
        }
    }
    probe_server(options, probe, &result);
    if (!probe_has_failed(&result))
        praise(&result);
    is_fine = result.is_fine;
    if (!options->json)
        probe_print_text(options, &result, stdout);
    else if (probe_print_json(options, &result, stdout) < 0)
        (void)fprintf(stderr, "hopgate probe: out of memory\n");
    probe_result_done(&result);
    return is_fine && fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int probe_verb(int argc, char **argv)
{
    struct probe_options options;
    int r = probe_options_parse(argc, argv, &options);

    (void)signal(SIGPIPE, SIG_IGN); /* a server that goes away is a finding, not our end */
    if (r == 0)
        r = run(&options);
    probe_options_done(&options);
    return r < 0 ? CLI_OK : r;
}
