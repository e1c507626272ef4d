/* The table of all verbs: what they are called, what they take, and what is said about them. */
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"
#include "tools/doctor/doctor.h"
#include "tools/explain/explain.h"
#include "tools/lab/lab.h"
#include "tools/origin/origin.h"
#include "tools/probe/probe.h"
#include "tools/repro/repro.h"
#include "tools/trace/trace.h"
#include "tools/wire/wire_verb.h"

#define SYNOPSES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define OPTIONS(...)  ((const struct verb_option[]){ __VA_ARGS__, { .name = NULL } })
#define SWITCH(key, what)         \
    {                             \
        (key), NULL, NULL, (what) \
    }
#define VALUE(key, value, what)      \
    {                                \
        (key), NULL, (value), (what) \
    }
#define ARGUMENT(key, what)       \
    {                             \
        (key), NULL, NULL, (what) \
    }

/* clang-format off: a row of options is a line */
#define CONF_FILE                                                               \
    {                                                                           \
        "--conf", "-c", "FILE",                                                 \
            "kong.conf; KONG_* and HOPGATE_* environment variables override it" \
    }

/* Verbs that speak to a running hop. */
#define RUNNING_HOP                                                              \
    VALUE("--prefix", "DIR", "the hop's prefix; else the one of its kong.conf"), \
        { "--conf", "-c", "FILE", "that kong.conf; KONG_PREFIX overrides it" },  \
        SWITCH("--json", "the answer as it is")
/* clang-format on */

#define RUNNING_HOP_EXITS "0 done, 1 no hop answers or it refuses, 64 usage, 78 bad configuration"

const struct verb verbs[] = {
    { .name = "run",
      .run = cli_run,
      .summary = "run one hop in the foreground",
      .synopses = SYNOPSES("[-c kong.conf] [FILE]"),
      .text = "Runs one hop in the foreground until TERM, INT or QUIT; HUP reads both files again, "
              "USR1\nopens the logs again, USR2 is `hopgate upgrade`.",
      .words = "FILE",
      .options = OPTIONS(
          ARGUMENT(
              "FILE",
              "Kong declarative file (YAML or JSON, _format_version \"3.0\", \"2.1\", \"1.1\")"),
          CONF_FILE),
      .exit_codes = "0 stopped, 1 failed at run time, 64 usage, 78 bad configuration" },
    { .name = "check",
      .run = cli_check,
      .summary = "report every mistake of a configuration, with file:line:column",
      .synopses = SYNOPSES("[-c kong.conf] [FILE]"),
      .text =
          "Reports every mistake at once, as file:line:column: severity: path: message. "
          "Certificates are\n"
          "read too: missing intermediate, wrong order, key mismatch, expired or soon so, names, "
          "weak keys\n"
          "and signatures, wrong purpose, authorities that are none, keys that everybody can read.",
      .words = "FILE",
      .options = OPTIONS(
          ARGUMENT(
              "FILE",
              "Kong declarative file (YAML or JSON, _format_version \"3.0\", \"2.1\", \"1.1\")"),
          CONF_FILE),
      .exit_codes = "0 usable (warnings may have been printed), 64 usage, 78 bad configuration" },
    { .name = "config",
      .run = cli_config,
      .summary = "declarative files, and the store of a hop",
      .synopses = SYNOPSES("dump [OPTIONS]", "parse FILE", "import FILE [OPTIONS]"),
      .text =
          "dump: prints all entities that the Admin API keeps (database = sqlite), secrets with "
          "them, as\na declarative file: `hopgate run FILE`, POST /config and import take it as "
          "it is.\n"
          "parse: says whether FILE is a declarative file that Kong would take, or what is wrong "
          "with it\nas `kong config parse` does; `check` says where, and what hopgate cannot "
          "run.\n"
          "import (also load, db_import): puts the entities of FILE into the store: in place of "
          "those that\nhave their ids, beside the others; nothing is deleted; all of it or "
          "nothing. As Kong's db_import.\n"
          "The hop may run or not; one that runs follows within a second or so.",
      .words = "dump parse import load FILE",
      .options =
          OPTIONS(ARGUMENT("FILE", "Kong declarative file, .yaml, .yml or .json"),
                  VALUE("--prefix", "DIR", "the hop's prefix; else the one of its kong.conf"),
                  { "--conf", "-c", "FILE", "that kong.conf; KONG_PREFIX overrides it" },
                  SWITCH("--json", "dump: JSON instead of YAML")),
      .exit_codes = "0 done, 1 the file has mistakes or the store cannot be read or written, 64 "
                    "usage, 78 bad configuration" },
    { .name = "explain",
      .run = explain_verb,
      .summary = "what entities, plugins and their fields mean: types, defaults, limits",
      .synopses = SYNOPSES("[--json] [PATH]", "--all [--json | --markdown]"),
      .text = "Tells what a thing of the Admin API or a declarative file means: an entity "
              "(services), a field\n"
              "(services.retries, upstreams.healthchecks.active.type), a plugin (plugins.cors), a "
              "field of it\n"
              "(plugins.cors.config.origins). Without PATH it lists what there is.",
      .options =
          OPTIONS(ARGUMENT("PATH", "names with dots between them"), SWITCH("--all", "everything"),
                  SWITCH("--json", "for programs"), SWITCH("--markdown", "with --all: as a page")),
      .exit_codes = "0 told, 1 failed, 64 usage, also when there is no such thing" },
    { .name = "status",
      .run = cli_control,
      .summary = "what a running hop is and how it is doing",
      .synopses = SYNOPSES("[OPTIONS]"),
      .text = "What a running hop is and how it is doing.",
      .options = OPTIONS(RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "show",
      .run = cli_control,
      .summary = "its connections, exchanges (running or recent), targets or memory",
      .synopses = SYNOPSES("connections|exchanges|recent|targets|memory [OPTIONS]"),
      .text = "What a running hop carries at this moment; `recent`: the exchanges that ended last.",
      .words = "connections exchanges recent targets memory",
      .options =
          OPTIONS(SWITCH("--failed", "of recent: those that failed, were cut, tried again or slow"),
                  VALUE("--limit", "N", "of recent: at most N, 20 without it"), RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "why",
      .run = cli_control,
      .summary = "why one of its exchanges ended as it did, and what to change",
      .synopses = SYNOPSES("ID [OPTIONS]", "--last [--failed] [OPTIONS]"),
      .text =
          "Why one exchange of a running hop ended as it did: cause and fix first, then the\n"
          "evidence. ID is a request id (X-Kong-Request-Id), an exchange number, or a client's\n"
          "address:port, of which the last exchange is told.",
      .options = OPTIONS(SWITCH("--last", "the exchange that ended last"),
                         SWITCH("--failed", "the last that failed, was cut, tried again or slow"),
                         RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "reload",
      .run = cli_control,
      .summary = "let a running hop read its configuration again",
      .synopses = SYNOPSES("[OPTIONS]"),
      .text = "Lets a running hop read its configuration again. A bad one changes nothing.",
      .options = OPTIONS(RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "upgrade",
      .run = cli_control,
      .summary = "replace its process by one of a newer binary; no client notices",
      .synopses = SYNOPSES("[--binary PATH] [OPTIONS]"),
      .text = "Replaces a running hop's process by a new one of the binary that is in its place "
              "now,\nwhich takes the sockets over: no connection is lost. The former process "
              "finishes what\nit carries. When the new one cannot serve, it goes on as before.",
      .options = OPTIONS(
          VALUE("--binary", "PATH", "another binary"),
          VALUE("--timeout", "S", "seconds until the new process must serve, 60 without it"),
          RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "drain",
      .run = cli_control,
      .summary = "let a running hop finish what it carries, and end",
      .synopses = SYNOPSES("[OPTIONS]"),
      .text = "No new connections; returns when what runs has ended, at most "
              "hopgate_shutdown_timeout.",
      .options = OPTIONS(RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "stop",
      .run = cli_control,
      .summary = "end a running hop at once",
      .synopses = SYNOPSES("[OPTIONS]"),
      .text = "Ends a running hop at once; what it carries is aborted.",
      .options = OPTIONS(RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "target",
      .run = cli_control,
      .summary = "take a target of a running hop out, or put it back",
      .synopses = SYNOPSES("set UPSTREAM TARGET STATE [OPTIONS]"),
      .text =
          "Takes a target of a running hop out, or puts it back. TARGET is host:port or one of\n"
          "its addresses. It holds, over reloads too, until STATE is auto or nobody names the\n"
          "target any more: healthy (gets requests, whatever checks say), unhealthy (gets none),\n"
          "drain (no new ones; idle connections to it stay open), disable (no new ones; idle\n"
          "connections to it are closed), auto (checks decide again).",
      .words = "set healthy unhealthy drain disable auto",
      .options = OPTIONS(RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "set",
      .run = cli_control,
      .summary = "change the log level of a running hop",
      .synopses = SYNOPSES("log_level LEVEL [OPTIONS]"),
      .text = "Changes a running hop until its next reload.",
      .words = "log_level debug info notice warn error crit",
      .options = OPTIONS(RUNNING_HOP),
      .exit_codes = RUNNING_HOP_EXITS },
    { .name = "trace",
      .run = trace_verb,
      .summary = "join the logs of all hops: who broke a request, and why",
      .synopses = SYNOPSES("[OPTIONS] [HOP=]LOG..."),
      .text = "Joins the logs of all hops of a chain, ours (hopgate_access_log_format = json) and "
              "those of "
              "nginx,\n"
              "Kong, HAProxy and ALB, into one picture per request: verdict first (the hop, the "
              "cause and\n"
              "what to change), then who waited for whom. Logs that do not say whose they are get "
              "the name\n"
              "in front of the \"=\"; \"-\" is standard input.",
      .words = "FILE",
      .options = OPTIONS(ARGUMENT("LOG", "an access or error log"),
                         VALUE("--id", "ID",
                               "only the request with that id, or of the client "
                               "address:port"),
                         SWITCH("--all", "also requests that went well"),
                         VALUE("--limit", "N", "at most N requests, 20 without it"),
                         SWITCH("--json", "a line of JSON for each request")),
      .exit_codes = "0 told, 1 a log cannot be read or nothing has that id, 64 usage" },
    { .name = "repro",
      .run = repro_verb,
      .summary = "a pasted log line: its causes, each tried in the lab",
      .synopses = SYNOPSES("[OPTIONS] 'LOG LINE'...", "[OPTIONS] -"),
      .text =
          "Takes a line of an access or error log of nginx, Kong, HAProxy (httplog) or ALB, ranks "
          "what it may\n"
          "come from, plays each cause in a lab of one hop that behaves like that product, and "
          "shows which\n"
          "one gives the same line: verdict and fix first. Several lines of one request (its "
          "error and its\n"
          "access line) may be given, in one argument or several; \"-\" is standard input. Times, "
          "addresses,\n"
          "ids, ports and names are not compared.",
      .options = OPTIONS(
          ARGUMENT("LINE", "as it stands in the log, in quotes"),
          VALUE("--product", "NAME",
                "kong, nginx, haproxy or alb; a combined access line may be Kong's or nginx's"),
          VALUE("--limit", "N", "at most N causes, 8 without it"),
          SWITCH("--no-run", "only rank the causes"), SWITCH("--json", "for programs")),
      .exit_codes =
          "0 a cause gives the line, 1 none does, 64 usage, 78 a line that cannot be read" },
    { .name = "probe",
      .run = probe_verb,
      .summary = "one request to any server, everything about it visible; TLS explained",
      .synopses = SYNOPSES("[OPTIONS] URL"),
      .text = "Sends one request to any server and shows everything: DNS, connect, TLS with the "
              "chain as\n"
              "sent, where it breaks and what mends it, resumption, the answer byte for byte, and "
              "the time of\n"
              "each phase. The first line is the verdict.",
      .options = OPTIONS(
          VALUE("--connect", "HOST:PORT", "connect there, whatever the URL says"),
          VALUE("--sni", "NAME",
                "server name to ask for (the URL's host); the certificate must have it"),
          VALUE("--cacert", "FILE", "trusted certificates instead of the system's"),
          VALUE("--cert", "FILE", "client certificate with its intermediates"),
          VALUE("--key", "FILE", "its key (if it is not in the same file)"),
          VALUE("--header", "'N: V'", "a field of the request; may be repeated"),
          VALUE("--method", "METHOD", "GET"), VALUE("--timeout", "SECONDS", "for each phase (10)"),
          SWITCH("--tls1.2", "no TLS 1.3"),
          SWITCH("--insecure", "send the request although the certificate is not trusted"),
          SWITCH("--json", "for programs")),
      .exit_codes = "0 fine, 1 not, 64 usage" },
    { .name = "wire",
      .run = wire_verb,
      .summary = "a TCP relay between two hops that misbehaves like a network or a firewall",
      .synopses = SYNOPSES("--listen ADDR:PORT --to ADDR:PORT [OPTIONS] [--listen ... --to ...]"),
      .text = "Relays TCP in the foreground. Bytes, ends (FIN and reset) and back-pressure are "
              "passed on as they\n"
              "are, but for what --fault, --script or the control API say: KIND:KEY=VALUE,..., see "
              "--help.\n"
              "The control API has GET, PUT, POST and DELETE /faults, GET /connections and POST "
              "/kill.",
      .options = OPTIONS(
          VALUE("--listen", "ADDR:PORT", "begins a wire; what follows belongs to it"),
          VALUE("--to", "ADDR:PORT", "the server that it leads to"),
          VALUE("--bind", "ADDR", "source address of its connections to the server"),
          VALUE("--name", "NAME", "its name (w1, w2, ...)"),
          VALUE("--fault", "FAULT", "a fault; before the first --listen: of every wire"),
          VALUE("--script", "FILE", "faults that come and go by themselves (YAML or JSON)"),
          VALUE("--control", "ADDR:PORT", "control API, on a loopback address or unix:PATH"),
          VALUE("--time-scale", "N", "divides every delay that is stated (1)"),
          VALUE("--seed", "N", "of jitter, corruption and chance (1)"),
          VALUE("--log", "FILE", "a JSON line for each connection, fault and end")),
      .exit_codes = "0 ended by a signal, 1 failed, 64 usage, 78 bad faults or script" },
    { .name = "lab",
      .run = lab_verb,
      .summary = "whole chains of hops, wires and origins; certificates for them",
      .synopses = SYNOPSES("VERB ..."),
      .text =
          "`hopgate lab up CHAIN` starts a chain, `lab status` shows what is up, `lab down` ends "
          "it,\n"
          "`lab run CHAIN` sends one request through it, `lab matrix CHAIN` tries every fault at "
          "every place,\n"
          "`lab schema` tells what a chain file can say, `lab pki DIR` writes every "
          "certificate\n"
          "situation, good and broken. Each has a --help of its own.",
      .words = "up run matrix headers status down schema pki",
      .exit_codes = "as of its verbs" },
    { .name = "lab up",
      .run = lab_up_verb,
      .summary = "start a chain: hops, wires, origins, each a process of its own",
      .synopses = SYNOPSES("[--detach] [--check] CHAIN"),
      .text =
          "Starts every part of CHAIN, a file or a ready-made one (--help lists them), on "
          "loopback addresses\n"
          "of its own, draws it, and runs until Ctrl-C. Nothing is left when it ends, however it "
          "ends.",
      .words = "FILE",
      .options = OPTIONS(ARGUMENT("CHAIN", "chain file, or the name of a ready-made chain"),
                         SWITCH("--detach", "return once all is ready; `hopgate lab down` ends it"),
                         SWITCH("--check", "only look for mistakes")),
      .exit_codes = "0 ended, 1 a part failed, 64 usage, 78 bad chain file" },
    { .name = "lab run",
      .run = lab_run_verb,
      .summary = "send one request through a chain: the answer, the picture, the verdict",
      .synopses = SYNOPSES("[OPTIONS] CHAIN [-- [-X METHOD] [-H 'N: V'] [-d TEXT] [/PATH]]"),
      .text =
          "Starts CHAIN, sends the request that is said behind -- (GET of the chain's path without "
          "one),\n"
          "prints who broke it and why, the answer, what happened between the hops and their log\n"
          "lines, and ends the chain.",
      .words = "FILE",
      .options = OPTIONS(
          ARGUMENT("CHAIN", "chain file, or the name of a ready-made chain"),
          VALUE("--fault", "NAME", "something fails, as in `hopgate lab matrix`"),
          VALUE("--place", "PLACE", "where, if there are several"),
          VALUE("--fault-times", "N", "the origin fails so often, then it is well"),
          VALUE("--before", "N", "so many such requests go before, on the same connection (0)"),
          VALUE("--pause", "MS", "stated time after each of them (0)"),
          VALUE("--patience", "MS", "stated time after which the client gives up (the chain's)"),
          VALUE("--fill", "LINESxBYTES", "so many fields more, with such values"),
          VALUE("--content-bytes", "N", "its content are so many bytes"),
          VALUE("--time-scale", "N", "stated times pass N times as fast"),
          SWITCH("--json", "for programs")),
      .exit_codes = "0 a request was sent, 1 a part failed, 64 usage, 78 bad chain file" },
    { .name = "lab matrix",
      .run = lab_matrix_verb,
      .summary = "every fault at every place of a chain: what the client gets, who made it, why",
      .synopses = SYNOPSES("[OPTIONS] CHAIN"),
      .text =
          "Starts CHAIN and tries every fault at every place, side by side: each case has its own "
          "route,\n"
          "upstream, origin and wire. Tells what the client got, which hop broke it and why, what "
          "each hop\n"
          "logged, and how often the request came to the origins. Times are those that are stated, "
          "whatever\n"
          "the time scale is.",
      .words = "FILE",
      .options = OPTIONS(
          ARGUMENT("CHAIN", "chain file, or the name of a ready-made chain"),
          VALUE("--faults", "LIST",
                "all, origin, wire, names of `hopgate origin --faults`, wire-NAME, or "
                "KIND:KEY=VALUE+KEY=VALUE of `hopgate wire`; a telling choice"),
          VALUE("--places", "LIST",
                "wires, ways (outer-gateway), origins; all but the client's way"),
          VALUE("--methods", "LIST", "GET,POST"),
          VALUE("--time-scale", "N", "stated times pass N times as fast (the chain's, else 100)"),
          VALUE("--expect", "FILE", "what should be so: rules, or what --json printed before"),
          SWITCH("--json", "for programs"), VALUE("--junit", "FILE", "for build servers"),
          VALUE("--html", "FILE", "for people: one file that needs nothing else")),
      .exit_codes =
          "0 done, 1 a part failed or something is not as expected, 64 usage, 78 bad chain "
          "or expectations" },
    { .name = "lab status",
      .run = lab_status_verb,
      .summary = "the chains that are up, and their parts",
      .synopses = SYNOPSES("[--json]"),
      .text = "The chains of this user that are up, and how their parts are.",
      .options = OPTIONS(SWITCH("--json", "for programs")),
      .exit_codes = "0, 64 usage" },
    { .name = "lab down",
      .run = lab_down_verb,
      .summary = "end a chain and remove what it has written",
      .synopses = SYNOPSES("[--all | NAME]"),
      .text = "Ends the chain that is up; of several the one of that name or block of addresses.",
      .options = OPTIONS(SWITCH("--all", "every chain of this user")),
      .exit_codes = "0 down, 1 there is none or it does not end, 64 usage" },
    { .name = "lab headers",
      .run = lab_headers_verb,
      .summary = "what each hop does to every header",
      .synopses = SYNOPSES("[OPTIONS] CHAIN", "[OPTIONS] --url URL --origin IP:PORT"),
      .text = "Brings CHAIN up, sends one request with telling fields, has the origin answer with "
              "telling fields,\n"
              "and shows for each hop which fields it kept, added, dropped, changed, extended, "
              "merged, split,\n"
              "wrote in other case or moved; credentials are masked. With --url: from end to end, "
              "through any\n"
              "product whose origin is IP:PORT.",
      .words = "FILE",
      .options = OPTIONS(
          ARGUMENT("CHAIN", "chain file, or the name of a ready-made chain"),
          VALUE("--url", "URL", "of a product that runs already"),
          VALUE("--origin", "ADDRESS", "IP:PORT where our origin is to listen behind it"),
          VALUE("--connect", "ADDRESS", "connect to that IP:PORT instead of the URL's"),
          VALUE("--cacert", "FILE", "certificates that its own must lead to"),
          VALUE("--request", "FILE", "send this request instead: a head, lines as in HTTP"),
          VALUE("--expect", "FILE", "expectations (YAML or JSON); exit code 1 if one is not met"),
          VALUE("--junit", "FILE", "write how they went, for CI"),
          VALUE("--html", "FILE", "write the report as one page"),
          VALUE("--at", "HOP", "show only this hop"),
          SWITCH("--all", "show fields that were kept, too"), SWITCH("--json", "for programs"),
          SWITCH("--show-secrets", "do not mask credentials")),
      .exit_codes = "0, 1 failed or an expectation is not met, 64 usage, 78 bad file" },
    { .name = "lab schema",
      .run = lab_schema_verb,
      .summary = "what a chain file can say",
      .synopses = SYNOPSES(""),
      .text = "Every field of a chain file with its type, default and meaning, from the table that "
              "reads it.",
      .exit_codes = "0, 64 usage" },
    { .name = "lab pki",
      .run = lab_pki_verb,
      .summary = "write every certificate situation, good and broken, as files",
      .synopses = SYNOPSES("[--name NAME] [--days N] DIR"),
      .text =
          "Writes every certificate situation, good and broken, to DIR: a folder for each, with\n"
          "chain.pem, key.pem and, where they belong to it, crl.pem and ocsp.der. DIR/ca.pem is "
          "what the\n"
          "other side is to trust. DIR/README and DIR/index.json say what is wrong with each. Keys "
          "are\n"
          "new each time; existing files are replaced. For tests only: the keys have no value.",
      .words = "DIR",
      .options =
          OPTIONS(VALUE("--name", "NAME",
                        "the server's name (shelf.test); 127.0.0.1 and ::1 are always covered"),
                  VALUE("--days", "N", "how long good certificates are valid (90)")),
      .exit_codes = "0 written, 1 failed, 64 usage" },
    { .name = "origin",
      .run = origin_verb,
      .summary = "an origin server that misbehaves on request",
      .synopses = SYNOPSES("[OPTIONS]"),
      .text = "Answers like a good server, and fails as it is told: some 250 faults by name (those "
              "of a real\n"
              "origin and of its TLS), own ones as lists of steps. A request asks for a fault by "
              "its path\n"
              "(/fault/NAME), its query (fault=NAME) or the field X-Origin-Fault; a script says "
              "which requests or\n"
              "connections get one; the control API changes that while it runs, and tells what was "
              "seen. /echo\n"
              "and /ledger show the request as it came. Until TERM, INT or QUIT.",
      .options = OPTIONS(
          VALUE("--listen", "ADDRESS",
                "IP:PORT (127.0.0.1:9000), then, divided by commas: name=NAME, tls, script=FILE, "
                "fault=NAME; may be repeated"),
          VALUE("--script", "FILE", "rules, own faults, the good answer: YAML or JSON"),
          VALUE("--fault", "NAME", "every connection gets this one"),
          VALUE("--control", "ADDRESS",
                "control API: 127.0.0.1:PORT or unix:PATH; GET / tells more"),
          VALUE("--log", "FILE", "a line of JSON per request; - is standard output"),
          SWITCH("--tls", "TLS on all listeners"),
          VALUE("--cert", "FILE", "certificate with its intermediates (else one is made)"),
          VALUE("--key", "FILE", "its key (if it is not in the same file)"),
          VALUE("--client-ca", "FILE", "clients must show a certificate of these authorities"),
          SWITCH("--client-optional", "or none"),
          VALUE("--pki", "DIR",
                "certificates of TLS faults: a folder that `hopgate lab pki` wrote"),
          VALUE("--tls-name", "NAME", "else they are made for this server name (localhost)"),
          VALUE("--status", "N", "of the good answer (200)"),
          VALUE("--field", "'N: V'", "a field of it; may be repeated"),
          VALUE("--content", "TEXT", "its content; else the listener's name"),
          VALUE("--size", "N", "its content are N bytes of a pattern"),
          VALUE("--delay", "MS", "it waits so long"),
          VALUE("--echo", "FORM", "it is the request's head (head), or all about it (json)"),
          VALUE("--time-scale", "N", "every delay is divided by N"),
          VALUE("--seed", "N", "of probabilities (1)"),
          VALUE("--max-connections", "N", "others wait (20000)"),
          SWITCH("--faults", "list the faults that are built in"),
          SWITCH("--steps", "list the steps that faults are made of")),
      .exit_codes = "0 stopped, 1 failed, 64 usage, 78 bad script" },
    { .name = "doctor",
      .run = doctor_verb,
      .summary = "contradictions between the hops of a chain, before traffic finds them",
      .synopses = SYNOPSES("[--rule ID] [--json] CHAIN", "--list"),
      .text =
          "Compares what the hops of CHAIN are told (timeouts, retries, idle connections, limits, "
          "trust, TLS,\n"
          "health checks; what nobody says is the persona's) and tells what contradicts itself: "
          "what will\n"
          "be seen, where it is written, what to change, and a command that shows it happening. "
          "Nothing is\n"
          "started.",
      .words = "FILE",
      .options = OPTIONS(ARGUMENT("CHAIN", "chain file, or the name of a ready-made chain"),
                         VALUE("--rule", "ID", "only this rule"), SWITCH("--list", "the rules"),
                         SWITCH("--json", "for programs")),
      .exit_codes = "0 nothing will break, 1 something will break, 64 usage, 78 bad chain file" },
    { .name = "generate",
      .run = cli_generate,
      .summary = "man pages and completions, for the build",
      .synopses = SYNOPSES("man|man-conf|man-entities|bash|zsh|fish"),
      .text =
          "Writes a man page or a completion to standard output, made from the tables of verbs, "
          "settings\nand entities that this binary has.",
      .words = "man man-conf man-entities bash zsh fish",
      .exit_codes = "0 written, 64 usage",
      .is_hidden = true },
};
const size_t verbs_count = sizeof(verbs) / sizeof(verbs[0]);
