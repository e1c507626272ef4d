#include "tools/lab/lab_drawing.h"

#include <string.h>

enum { BOX_LINES = 3, BOX_WIDTH_MAX = 40, TEXT_MAX = 128, ARROW_MAX = 8 };

struct box {
    char lines[BOX_LINES][TEXT_MAX];
    int width;
    char left, right;  /* of the name's line */
    const char *arrow; /* that leads to it */
};

static void fill(struct box *box, const struct chain_element *element,
                 const struct chain_place *place, bool shares)
{
    static const char brackets[][2] = {
        [CHAIN_HOP] = { '[', ']' }, [CHAIN_WIRE] = { '(', ')' }, [CHAIN_ORIGIN] = { '<', '>' }
    };

    *box = (struct box){ .left = brackets[element->kind][0], .right = brackets[element->kind][1] };
    box->arrow = shares ? " ,  " : place->tls ? " =TLS=> " : " ---> ";
    snprintf(box->lines[0], TEXT_MAX, "%c %s %c", box->left, element->name, box->right);
    snprintf(box->lines[1], TEXT_MAX, "%s",
             element->kind == CHAIN_HOP ? element->persona : chain_kind_name(element->kind));
    snprintf(box->lines[2], TEXT_MAX, "%s:%u", place->address, place->port);
    for (int i = 0; i < BOX_LINES; i++) {
        int length = (int)strlen(box->lines[i]);

        if (length > BOX_WIDTH_MAX)
            box->lines[i][length = BOX_WIDTH_MAX] = '\0';
        box->width = length > box->width ? length : box->width;
    }
}

static void print_row(const struct box *boxes, size_t from, size_t to, FILE *stream)
{
    for (int line = 0; line < BOX_LINES; line++) {
        char text[LAB_DRAWING_COLUMNS * 2];
        size_t length = (size_t)snprintf(text, sizeof(text), "  %-6s",
                                         line > 0    ? ""
                                         : from == 0 ? "client"
                                                     : "");

        for (size_t i = from; i < to; i++) {
            const struct box *box = &boxes[i];
            int before = (box->width - (int)strlen(box->lines[line])) / 2;

            length += (size_t)snprintf(text + length, sizeof(text) - length, "%*s%*s%-*s",
                                       (int)strlen(box->arrow), line == 0 ? box->arrow : "", before,
                                       "", box->width - before, box->lines[line]);
        }
        while (length > 0 && text[length - 1] == ' ')
            length--;
        (void)fprintf(stream, "%.*s\n", (int)length, text);
    }
}

void lab_drawing_print(const struct chain *chain, const struct chain_place *places, FILE *stream)
{
    struct box boxes[CHAIN_ELEMENTS_MAX];
    size_t from = 0;

    for (size_t i = 0; i < chain->count; i++)
        fill(&boxes[i], &chain->elements[i], &places[i],
             chain->elements[i].number > 1 || (i > 0 && chain->elements[i].kind == CHAIN_ORIGIN &&
                                               chain->elements[i - 1].kind == CHAIN_ORIGIN));
    while (from < chain->count) {
        size_t to = from, columns = ARROW_MAX;

        while (to < chain->count &&
               columns + strlen(boxes[to].arrow) + (size_t)boxes[to].width <= LAB_DRAWING_COLUMNS) {
            columns += strlen(boxes[to].arrow) + (size_t)boxes[to].width;
            to++;
        }
        if (from > 0)
            (void)fputc('\n', stream);
        print_row(boxes, from, to, stream);
        from = to;
    }
}
