/* Man pages: roff with the macros of man(7). */
#include <stdbool.h>
#include <string.h>

#include "config/settings_catalog.h"
#include "tools/cli/generate.h"
#include "tools/cli/verb.h"
#include "tools/explain/explain.h"

/* Text that roff shall not read: backslashes, hyphens that can be pasted, a dot that begins a line. */
static void put(FILE *stream, const char *text)
{
    bool begins_line = true;

    for (const char *at = text; *at; at++) {
        if (begins_line && (*at == '.' || *at == '\''))
            (void)fputs("\\&", stream);
        if (*at == '\\')
            (void)fputs("\\e", stream);
        else if (*at == '-')
            (void)fputs("\\-", stream);
        else
            (void)fputc(*at, stream);
        begins_line = *at == '\n';
    }
}

static void put_bold(FILE *stream, const char *text)
{
    (void)fputs("\\fB", stream);
    put(stream, text);
    (void)fputs("\\fR", stream);
}

static void put_value(FILE *stream, const char *text)
{
    (void)fputs("\\fI", stream);
    put(stream, text);
    (void)fputs("\\fR", stream);
}

static void put_title(FILE *stream, const char *name, int section, const char *what)
{
    (void)fprintf(stream,
                  ".\\\" Made from the tables in the binary: hopgate generate\n"
                  ".TH %s %d \"\" \"hopgate %s\"\n.SH NAME\n%s \\- %s\n",
                  name, section, HOPGATE_VERSION, name, what);
}

/* ---- hopgate(1) ---------------------------------------------------------------------------- */

static void put_option(FILE *stream, const struct verb_option *option)
{
    (void)fputs(".TP\n", stream);
    if (verb_option_is_argument(option)) {
        put_value(stream, option->name);
    } else {
        if (option->other_name) {
            put_bold(stream, option->other_name);
            (void)fputs(", ", stream);
        }
        put_bold(stream, option->name);
    }
    if (option->value) {
        (void)fputc(' ', stream);
        put_value(stream, option->value);
    }
    (void)fputc('\n', stream);
    put(stream, option->what);
    (void)fputc('\n', stream);
}

static void put_verb(FILE *stream, const struct verb *verb)
{
    (void)fputs(".SS ", stream);
    put(stream, verb->name);
    (void)fputc('\n', stream);
    for (size_t i = 0; verb->synopses[i]; i++) {
        if (i > 0)
            (void)fputs(".br\n", stream);
        put_bold(stream, "hopgate ");
        put_bold(stream, verb->name);
        (void)fputc(' ', stream);
        put(stream, verb->synopses[i]);
        (void)fputc('\n', stream);
    }
    (void)fputs(".PP\n", stream);
    put(stream, verb->text);
    (void)fputc('\n', stream);
    for (const struct verb_option *option = verb->options; option && option->name; option++)
        put_option(stream, option);
    (void)fputs(".PP\nExit codes: ", stream);
    put(stream, verb->exit_codes);
    (void)fputs(".\n", stream);
}

static void put_list(FILE *stream, const char *title, const char *const (*rows)[2], size_t count)
{
    (void)fprintf(stream, ".SH %s\n", title);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(".TP\n", stream);
        put_bold(stream, rows[i][0]);
        (void)fputc('\n', stream);
        put(stream, rows[i][1]);
        (void)fputc('\n', stream);
    }
}

#define PUT_LIST(stream, title, rows) \
    put_list((stream), (title), (rows), sizeof(rows) / sizeof((rows)[0]))

static const char *const signals[][2] = {
    { "HUP", "reads the configuration and the certificates again; a bad one changes nothing" },
    { "USR1", "opens the logs again, after they were renamed" },
    { "TERM, INT, QUIT", "drain: no new connections, what runs may end within "
                         "hopgate_shutdown_timeout; a second one aborts the rest" },
};

static const char *const environment[][2] = {
    { "KONG_*, HOPGATE_*", "override the keys of kong.conf, in capitals" },
    { "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
      "set by systemd: told of readiness, reloads and the end, and fed as long as every worker "
      "answers" },
};

static const char *const files[][2] = {
    { "PREFIX/logs", "access and error log" },
    { "PREFIX/pids/hopgate.pid", "pid of the hop, and the lock of its prefix" },
    { "PREFIX/control.sock", "where a running hop is asked and told things" },
};

void generate_man(FILE *stream)
{
    put_title(stream, "hopgate", 1, "edge proxy and load balancer, every hop of the path");
    (void)fputs(".SH SYNOPSIS\n.B hopgate\n.I VERB\n[\\fIOPTIONS\\fR] [\\fIFILE\\fR]\n.br\n"
                ".B hopgate \\-\\-help\n.br\n.B hopgate \\-\\-version\n.SH DESCRIPTION\n"
                "A TLS\\-terminating edge proxy and load balancer, configured with Kong's files.\n"
                "One process is one hop of a chain: load balancer, gateway, front door.\n"
                ".SH VERBS\n",
                stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (!verbs[i].is_hidden)
            put_verb(stream, &verbs[i]);
    PUT_LIST(stream, "SIGNALS", signals);
    PUT_LIST(stream, "ENVIRONMENT", environment);
    PUT_LIST(stream, "FILES", files);
    (void)fputs(".SH SEE ALSO\n.BR hopgate.conf (5), hopgate-entities (5)\n", stream);
}

/* ---- hopgate.conf(5) ----------------------------------------------------------------------- */

static void put_key(FILE *stream, const struct settings_entry *entry)
{
    (void)fputs(".TP\n", stream);
    put_bold(stream, entry->name);
    if (entry->default_text) {
        (void)fputs(" = ", stream);
        put_value(stream, entry->default_text);
    }
    (void)fputc('\n', stream);
    put(stream, entry->meaning  ? entry->meaning
                : entry->reason ? entry->reason
                                : "another name of ");
    if (entry->alias_of)
        put_bold(stream, entry->alias_of);
    if (entry->values) {
        (void)fputs("; one of: ", stream);
        put(stream, entry->values);
    }
    (void)fputs(".\n", stream);
}

static bool is_used(const struct settings_entry *entry)
{
    return !entry->reason;
}

static bool is_unused(const struct settings_entry *entry)
{
    return entry->reason != NULL;
}

static void put_keys(FILE *stream, bool (*wanted)(const struct settings_entry *entry))
{
    struct settings_entry entry;

    for (size_t i = 0; settings_catalog_entry(i, &entry); i++)
        if (wanted(&entry))
            put_key(stream, &entry);
}

void generate_man_conf(FILE *stream)
{
    put_title(stream, "hopgate.conf", 5, "keys of kong.conf that hopgate reads");
    (void)fputs(
        ".SH DESCRIPTION\n"
        "The process's own configuration, in the format of Kong's kong.conf: lines of\n"
        "\\fIkey\\fR = \\fIvalue\\fR; # begins a comment. Times: 10s, 5m, 12h, 1d; sizes: 8k, 1m.\n"
        "An environment variable KONG_\\fIKEY\\fR or HOPGATE_\\fIKEY\\fR overrides the file.\n"
        "A persona gives other defaults to limits and timers; the key wins.\n"
        "Keys of nginx_http_\\fIX\\fR can be written nginx_proxy_\\fIX\\fR too, which goes first.\n"
        ".PP\nWhat stands behind = is the default.\n"
        ".SH KEYS\n",
        stream);
    put_keys(stream, is_used);
    (void)fputs(".SH KEYS WITHOUT EFFECT\n"
                "Keys of Kong that are known and not used. Another value than the default gives a\n"
                "notice, or an error where ignoring it would mislead.\n",
                stream);
    put_keys(stream, is_unused);
    (void)fputs(".SH SEE ALSO\n.BR hopgate (1), hopgate-entities (5)\n", stream);
}

/* ---- hopgate-entities(5) ------------------------------------------------------------------- */

void generate_man_entities(FILE *stream)
{
    const struct model *model = model_get();
    json_t *all = model ? explain_all(model) : NULL;

    put_title(stream, "hopgate-entities", 5, "what the Admin API and declarative files can say");
    (void)fputs(
        ".SH DESCRIPTION\n"
        "The entities and plugins of Kong that hopgate knows, field by field. What is not\n"
        "given has its default (behind =), else null. A text is not empty unless it says so.\n"
        "\\fBhopgate explain\\fR tells the same of one field.\n",
        stream);
    if (all)
        explain_print_manual(all, stream);
    json_decref(all);
    (void)fputs(".SH SEE ALSO\n.BR hopgate (1), hopgate.conf (5)\n", stream);
}
