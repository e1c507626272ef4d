/* What a parser lets pass when it is told to, and that it refuses all of it when it is not. */
#include "tests/http1_head_check.h"

#define RESPONSE "HTTP/1.1 200 OK\r\n"

struct lenient_case {
    unsigned leniencies;
    const char *head;
    enum http_framing framing;
    uint64_t length;
    unsigned fields_count;
};

static const struct lenient_case cases[] = {
    { HTTP1_LENIENT_BARE_LF, "HTTP/1.1 200 OK\nContent-Length: 8\n\n", HTTP_FRAMING_LENGTH, 8, 1 },
    { HTTP1_LENIENT_DROP_BAD_LINE, RESPONSE "X-Bad" END, HTTP_FRAMING_CLOSE, 0, 0 },
    { HTTP1_LENIENT_DROP_BAD_LINE, RESPONSE "X-(Bad): 1\r\nA: b" END, HTTP_FRAMING_CLOSE, 0, 1 },
    { HTTP1_LENIENT_DROP_BAD_LINE, RESPONSE "X: a\001b" END, HTTP_FRAMING_CLOSE, 0, 0 },
    { HTTP1_LENIENT_ANY_LENGTH, RESPONSE "Content-Length: 8\r\nContent-Length: 4" END,
      HTTP_FRAMING_LENGTH, 4, 2 },
    { HTTP1_LENIENT_ANY_LENGTH, RESPONSE "Content-Length: 8, 8" END, HTTP_FRAMING_CLOSE, 0, 1 },
    { HTTP1_LENIENT_LENGTH_AND_CODING,
      RESPONSE "Content-Length: 8\r\nTransfer-Encoding: chunked" END, HTTP_FRAMING_CHUNKED, 0, 2 },
    { HTTP1_LENIENT_ANY_CODING, RESPONSE "Transfer-Encoding: xchunked" END, HTTP_FRAMING_CHUNKED, 0,
      1 },
    { HTTP1_LENIENT_ANY_CODING, RESPONSE "Transfer-Encoding: identity" END, HTTP_FRAMING_CLOSE, 0,
      1 },
    { HTTP1_LENIENT_ANY_CODING, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END,
      HTTP_FRAMING_CHUNKED, 0, 1 },
    { HTTP1_LENIENT_ODD_STATUS, "HTTP/2.0 200 OK" END, HTTP_FRAMING_CLOSE, 0, 0 },
    { HTTP1_LENIENT_ODD_STATUS, "HTTP/1.1   200 OK" END, HTTP_FRAMING_CLOSE, 0, 0 },
    { HTTP1_LENIENT_ODD_STATUS, "HTTP/1.1 200.1 OK" END, HTTP_FRAMING_CLOSE, 0, 0 },
    { HTTP1_LENIENT_OBS_FOLD, RESPONSE "X: a\r\n b\r\nContent-Length: 8" END, HTTP_FRAMING_LENGTH,
      8, 2 },
    { HTTP1_LENIENT_MERGE_LENGTHS, RESPONSE "Content-Length: 8, 8" END, HTTP_FRAMING_LENGTH, 8, 1 },
    { HTTP1_LENIENT_MERGE_LENGTHS, RESPONSE "Content-Length: 8\r\nContent-Length: 8" END,
      HTTP_FRAMING_LENGTH, 8, 2 },
    { HTTP1_LENIENT_EMPTY_LINES, "\r\n\r\n" RESPONSE "A: b" END, HTTP_FRAMING_CLOSE, 0, 1 },
    { HTTP1_LENIENT_OLD_CODING, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END,
      HTTP_FRAMING_CHUNKED, 0, 1 },
};

#define CASES_COUNT (sizeof(cases) / sizeof(cases[0]))

TEST(each_leniency_lets_its_own_pass)
{
    for (size_t i = 0; i < CASES_COUNT; i++) {
        struct parsed parsed;

        parsed_leniencies = cases[i].leniencies;
        FOR_EACH_CUT(parsed, a_response, slice_of(cases[i].head))
        {
            if (parsed.result != HTTP1_DONE)
                fail_msg("%s: %s", cases[i].head, http1_error_info(parsed.parser.error)->name);
            CHECK_INT(parsed.head.status, 200);
            CHECK_INT(parsed.head.framing, cases[i].framing);
            CHECK_INT(parsed.head.fields.count, cases[i].fields_count);
            if (parsed.head.framing == HTTP_FRAMING_LENGTH)
                CHECK_INT(parsed.head.content_length, cases[i].length);
        }
    }
}

#define REQUEST "POST / HTTP/1.1\r\n"

static const struct lenient_case requests[] = {
    { HTTP1_LENIENT_ANY_HOST, REQUEST "A: b" END, HTTP_FRAMING_NONE, 0, 1 },
    { HTTP1_LENIENT_ANY_HOST, REQUEST "Host: a b" END, HTTP_FRAMING_NONE, 0, 1 },
    { HTTP1_LENIENT_EMPTY_LINES, "\r\n\r\n" REQUEST "Host: a" END, HTTP_FRAMING_NONE, 0, 1 },
    { HTTP1_LENIENT_OBS_FOLD, REQUEST "Host: a\r\nX: 1\r\n\t2" END, HTTP_FRAMING_NONE, 0, 2 },
    { HTTP1_LENIENT_MERGE_LENGTHS, REQUEST "Host: a\r\nContent-Length: 4,4" END,
      HTTP_FRAMING_LENGTH, 4, 2 },
    { HTTP1_LENIENT_LENGTH_AND_CODING,
      REQUEST "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked" END,
      HTTP_FRAMING_CHUNKED, 0, 3 },
    { HTTP1_LENIENT_OLD_CODING, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked" END,
      HTTP_FRAMING_CHUNKED, 0, 2 },
};

TEST(requests_have_leniencies_too_and_none_without_being_told)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct head_setup setup = { .role = HTTP1_REQUEST };
        struct parsed parsed;

        parsed_leniencies = 0;
        FOR_EACH_CUT(parsed, setup, slice_of(requests[i].head))
        {
            CHECK_INT(parsed.result, HTTP1_ERROR);
        }
        parsed_leniencies = requests[i].leniencies;
        FOR_EACH_CUT(parsed, setup, slice_of(requests[i].head))
        {
            if (parsed.result != HTTP1_DONE)
                fail_msg("%s: %s", requests[i].head, http1_error_info(parsed.parser.error)->name);
            CHECK_INT(parsed.head.framing, requests[i].framing);
            CHECK_INT(parsed.head.fields.count, requests[i].fields_count);
            /* what was unclear once is the last on its connection */
            CHECK_INT(parsed.head.keep_alive, parsed.head.framing != HTTP_FRAMING_CHUNKED);
        }
    }
}

TEST(a_folded_value_is_joined_by_spaces)
{
    struct head_setup setup = a_response;
    struct parsed parsed;

    parsed_leniencies = HTTP1_LENIENT_OBS_FOLD;
    FOR_EACH_CUT(parsed, setup, SLICE(RESPONSE "X: a\r\n b\r\n  c" END))
    {
        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK_SLICE(parsed.head.fields.items[0].value, "a   b    c");
    }
}

TEST(lengths_that_differ_are_never_merged)
{
    struct head_setup setup = a_response;
    struct parsed parsed;

    parsed_leniencies = HTTP1_LENIENT_MERGE_LENGTHS;
    FOR_EACH_CUT(parsed, setup, SLICE(RESPONSE "Content-Length: 8, 9" END))
    {
        CHECK_INT(parsed.result, HTTP1_ERROR);
    }
}

TEST(without_it_each_of_them_is_refused)
{
    parsed_leniencies = 0;
    for (size_t i = 0; i < CASES_COUNT; i++) {
        struct parsed parsed;

        FOR_EACH_CUT(parsed, a_response, slice_of(cases[i].head))
        {
            CHECK_INT(parsed.result, HTTP1_ERROR);
        }
    }
}

TEST(what_hides_another_line_is_refused_all_the_same)
{
    static const char *const heads[] = {
        RESPONSE "X : 1" END,  RESPONSE "X: a\rb" END, RESPONSE "X\001: 1" END,
        RESPONSE ": 1" END,    RESPONSE " X: 1" END,   RESPONSE "X: 1\r\n b" END,
        "HTTP/1.1 20 OK" END,  "HTTP/1.1 2000 OK" END, "http/1.1 200 OK" END,
        "HTTP/1.1 000 OK" END,
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct parsed parsed;

        parsed_leniencies = ~(unsigned)HTTP1_LENIENT_OBS_FOLD;
        FOR_EACH_CUT(parsed, a_response, slice_of(heads[i]))
        {
            if (parsed.result != HTTP1_ERROR)
                fail_msg("%s passed", heads[i]);
        }
    }
}

TEST(an_interim_answer_that_is_final_has_content)
{
    struct parsed parsed;

    parsed_leniencies = HTTP1_LENIENT_INTERIM_CONTENT;
    FOR_EACH_CUT(parsed, a_response, SLICE("HTTP/1.1 103 Early Hints" END))
    {
        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK_INT(parsed.head.framing, HTTP_FRAMING_CLOSE);
    }
    parsed_leniencies = 0;
    FOR_EACH_CUT(parsed, a_response, SLICE("HTTP/1.1 103 Early Hints" END))
    {
        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK_INT(parsed.head.framing, HTTP_FRAMING_NONE);
    }
}

TESTS(TEST_CASE(each_leniency_lets_its_own_pass), TEST_CASE(without_it_each_of_them_is_refused),
      TEST_CASE(requests_have_leniencies_too_and_none_without_being_told),
      TEST_CASE(a_folded_value_is_joined_by_spaces),
      TEST_CASE(lengths_that_differ_are_never_merged),
      TEST_CASE(what_hides_another_line_is_refused_all_the_same),
      TEST_CASE(an_interim_answer_that_is_final_has_content))
