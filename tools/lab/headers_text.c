#include "tools/lab/headers_text.h"

void headers_text_markup(struct slice text, FILE *stream)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            (void)fprintf(stream, "&#%d;", c);
        else if (c == '\\')
            (void)fputs("\\\\", stream);
        else if (c < 0x20 || c >= 0x7f)
            (void)fprintf(stream, "\\x%02x", c);
        else
            (void)fputc(c, stream);
    }
}
