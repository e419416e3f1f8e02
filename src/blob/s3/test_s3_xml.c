// What S3 answers, and what somebody who only says so may answer.
#include "blob/s3/answers.h"
#include "util/testing.h"

static char seen[2048];

static void note(void *arg, const struct str fields[S3_FIELDS])
{
    (void)arg;
    size_t len = strlen(seen);
    for (size_t i = 0; i < S3_FIELDS; i++)
        len += (size_t)snprintf(seen + len, sizeof(seen) - len, "%.*s|", STR_ARGS(fields[i]));
}

static int read_text(const struct s3_shape *shape, const char *text, struct s3_head *head)
{
    seen[0] = 0;
    return s3_answer_read(shape, str_of(text), &(struct s3_items){note, NULL}, head);
}

static void items_are_read_with_their_texts(void **state)
{
    struct s3_head head;
    (void)state;
    const char *text =
        "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a > b -->"
        "<ns:ListBucketResult xmlns:ns='http://a>b/' x=\"</\"><Name>b</Name><IsTruncated> true </IsTruncated>"
        "<Contents><Key>a&amp;b&#x41;&#228;</Key><Owner><ID>i</ID><Size>9</Size></Owner><Size>12</Size>"
        "<LastModified>2026-11-29T06:19:31.000Z</LastModified></Contents>"
        "<Contents><Size/><Key>c</Key></Contents></ns:ListBucketResult>\n";
    assert_int_equal(read_text(&s3_shape_objects, text, &head), 0);
    assert_string_equal(seen, "a&bA\xc3\xa4|12|2026-11-29T06:19:31.000Z||c||||");
    assert_true(head.truncated);
}

static void what_stands_in_the_root_is_read(void **state)
{
    struct s3_head head;
    (void)state;
    assert_int_equal(read_text(&s3_shape_error,
                               "<Error><Code>SlowDown</Code><Message>m</Message><AWSAccessKeyId>K</AWSAccessKeyId>"
                               "</Error>",
                               &head),
                     0);
    assert_string_equal(head.code, "SlowDown");
    assert_string_equal(head.message, "m");
    assert_int_equal(read_text(&s3_shape_parts,
                               "<ListPartsResult><NextPartNumberMarker>7</NextPartNumberMarker><IsTruncated>false"
                               "</IsTruncated><Part><PartNumber>7</PartNumber><ETag>&quot;e&quot;</ETag></Part>"
                               "</ListPartsResult>",
                               &head),
                     0);
    assert_int_equal(head.next_part, 7);
    assert_false(head.truncated);
    assert_string_equal(seen, "7|||\"e\"|");
}

static void what_is_not_whole_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        "<Error>",
        "<Error></Other>",
        "<Error/><Error/>",
        "<Error/>text",
        "text<Error/>",
        "<Other/>",
        "<Error><Code>x</Error>",
        "<Error><Code>x</Code></Error",
        "<Error a=\"></Error>",
        "<Error a='x<Code>y</Code></Error>",
        "<!DOCTYPE Error [<!ENTITY x \"y\">]><Error><Code>&x;</Code></Error>",
        "<Error><Code>&x;</Code></Error>",
        "<Error><Code>&amp</Code></Error>",
        "<Error><Code>&#0;</Code></Error>",
        "<Error><Code>&#xd800;</Code></Error>",
        "<Error><Code>&#x110000;</Code></Error>",
        "<Error><Code>&#99999999999999999999;</Code></Error>",
        "<Error><![CDATA[x]]></Error>",
        "<Error><!-- x</Error>",
        "<?xml",
        "<>x</>",
        "<Error/ >",
        "<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>",
    };
    struct s3_head head;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (read_text(&s3_shape_error, wrong[i], &head) != ERR_MALFORMED)
            fail_msg("taken: %s", wrong[i]);
}

static void texts_beyond_their_limits_are_refused(void **state)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct s3_head head;
    (void)state;
    buf_append_text(&text, "<Error><Code>");
    for (size_t i = 0; i < 64; i++)
        buf_append_byte(&text, 'x');
    buf_append_text(&text, "</Code></Error>");
    assert_int_equal(s3_answer_read(&s3_shape_error, buf_str(&text), NULL, &head), ERR_MALFORMED);
    buf_reset(&text);
    buf_append_text(&text, "<Error><Other>");
    for (size_t i = 0; i < S3_XML_TEXT_MAX + 2; i++)
        buf_append_byte(&text, 'x');
    buf_append_text(&text, "</Other></Error>");
    assert_int_equal(s3_answer_read(&s3_shape_error, buf_str(&text), NULL, &head), ERR_MALFORMED);
}

static void every_beginning_of_an_answer_is_refused(void **state)
{
    const char *whole =
        "<ListBucketResult><Contents><Key a='b'>&lt;k</Key><Size>1</Size></Contents></ListBucketResult>";
    struct s3_head head;
    (void)state;
    assert_int_equal(read_text(&s3_shape_objects, whole, &head), 0);
    for (size_t len = 0; len < strlen(whole); len++) {
        CLEANUP(free_ptr) char *part = xstrndup(whole, len); // so that a sanitizer sees a step too far
        assert_int_equal(read_text(&s3_shape_objects, part, &head), ERR_MALFORMED);
    }
}

static void names_are_decoded(void **state)
{
    (void)state;
    char good[] = "a%2Fb%41", bad[] = "a%2", worse[] = "a%00b", worst[] = "%zz";
    assert_true(s3_percent_decode(good));
    assert_string_equal(good, "a/bA");
    assert_false(s3_percent_decode(bad));
    assert_false(s3_percent_decode(worse));
    assert_false(s3_percent_decode(worst));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_read_with_their_texts),
        cmocka_unit_test(what_stands_in_the_root_is_read),
        cmocka_unit_test(what_is_not_whole_is_refused),
        cmocka_unit_test(texts_beyond_their_limits_are_refused),
        cmocka_unit_test(every_beginning_of_an_answer_is_refused),
        cmocka_unit_test(names_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
