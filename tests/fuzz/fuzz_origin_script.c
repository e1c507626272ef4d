/* Any text as a script of an origin: what is refused says why, what is taken can choose. */
#include "tests/fuzz/fuzz_input.h"
#include "tools/origin/request.h"
#include "tools/origin/script.h"

static void check_script(struct slice text, enum document_format format,
                         const struct fault_library *library)
{
    const struct request_head request = { .method = SLICE("GET"), .path = SLICE("/a") };
    const struct script_moment moments[] = { { .request = &request }, { .elapsed_ms = 1000 } };
    const struct script_source source = { .text = text, .format = format, .builtin = library };
    struct config_errors errors;
    struct script *script;

    config_errors_init(&errors);
    script = script_read(&source, &errors);
    require((script != NULL) == (errors.errors_count == 0), "a refusal has a reason");
    for (size_t i = 0; script && i < 8; i++) {
        const struct script_rule *rule = script_choose(script, &moments[i % 2]);

        require(!rule || rule->has_answer || rule->fault->connections_count > 0,
                "a rule does something");
    }
    script_unref(script);
    config_errors_done(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fault_library *library;
    const struct slice text = { (const char *)data, size };

    if (!library)
        library = fault_library_builtin();
    check_script(text, DOCUMENT_YAML, library);
    check_script(text, DOCUMENT_JSON, library);
    return 0;
}
