/*
 * Any bytes as pasted lines of a log:
 *   - what is kept of them is printable, whoever wrote them;
 *   - a line is like itself;
 *   - a line that is not read has a complaint, which is printable too.
 * data: lines.
 */
#include "tests/fuzz/fuzz_input.h"
#include "tools/repro/compare.h"
#include "tools/repro/rank.h"

static void require_printable(const char *text, const char *what)
{
    for (; *text; text++)
        require((unsigned char)*text >= 0x20 && (unsigned char)*text < 0x7f, what);
}

static void check_line(const struct line *line)
{
    char differs[LINE_VALUE_MAX];

    require(line->count > 0 && line->count <= LINE_FEATURES_MAX, "a line has some features");
    require_printable(line->text, "the text");
    require_printable(line->method, "the method");
    require_printable(line->request_id, "the request id");
    for (unsigned i = 0; i < line->count; i++)
        require_printable(line->features[i].value, line->features[i].name);
    require(compare_lines(line, line, differs, sizeof(differs)) == COMPARE_SAME,
            "a line is not like itself");
}

static void check(const struct cause_table *table, struct slice text)
{
    static struct line line;
    char complaint[640] = "";
    struct ranking ranking;

    if (!line_read(text, &line)) {
        line_complaint(text, complaint, sizeof(complaint));
        require(complaint[0] != '\0', "a line that is not read has a complaint");
        require_printable(complaint, "the complaint");
        return;
    }
    check_line(&line);
    rank_causes(table, &line, 1, &ranking);
    require(ranking.count <= RANK_MAX, "so many causes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cause_table *table;
    struct slice rest = { (const char *)data, size };

    if (!table)
        table = cause_table_create();
    require(table != NULL, "the table");
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t length = end ? (size_t)(end - rest.ptr) : rest.len;

        check(table, (struct slice){ rest.ptr, length });
        rest = slice_from(rest, length + (end ? 1 : 0));
    }
    return 0;
}
