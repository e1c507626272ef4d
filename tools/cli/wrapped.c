#include "tools/cli/wrapped.h"

#include <string.h>

void wrapped_print(FILE *stream, size_t column, size_t indent, const char *text)
{
    size_t begin = column;

    while (*text) {
        size_t length = strcspn(text, " ");

        if (column > begin && column + 1 + length > WRAPPED_COLUMNS) {
            (void)fprintf(stream, "\n%*s", (int)indent, "");
            begin = column = indent;
        } else if (column > begin) {
            (void)fputc(' ', stream);
            column++;
        }
        (void)fwrite(text, 1, length, stream);
        column += length;
        text += length + (text[length] == ' ');
    }
    (void)fputc('\n', stream);
}
