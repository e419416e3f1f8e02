// Keys and signatures, by the examples of RFC 7515, appendix A, and RFC 8037, appendix A.
#include "auth/jwt.h"
#include "util/base64.h"
#include "util/testing.h"

#define CLAIMS "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static const struct vector {
    enum jose_alg alg;
    const char *jwk, *text, *signature;
} vectors[] = {
    {JOSE_HS256,
     "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
     "\"}",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {JOSE_RS256,
     "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
     "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z"
     "5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAc"
     "o9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}",
     "eyJhbGciOiJSUzI1NiJ9." CLAIMS,
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
     "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
     "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
     "Ge77Rw"},
    {JOSE_ES256,
     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
     "eyJhbGciOiJFUzI1NiJ9." CLAIMS,
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    {JOSE_EDDSA, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
};

static void load(struct jose_keys *keys, const char *json)
{
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(jose_keys_add_set(keys, str_of(json), true, &error), 0);
}

static size_t signature_of(const struct vector *vector, uint8_t out[JOSE_SIGNATURE_MAX])
{
    size_t len = JOSE_SIGNATURE_MAX;
    assert_true(base64url_decode(str_of(vector->signature), out, &len));
    return len;
}

static void the_examples_of_the_rfcs_are_verified(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        CLEANUP(jose_keys_release) struct jose_keys keys = {0};
        uint8_t signature[JOSE_SIGNATURE_MAX];
        size_t len = signature_of(&vectors[i], signature);
        load(&keys, vectors[i].jwk);
        assert_int_equal(keys.count, 1);
        assert_int_equal(keys.items[0].alg, vectors[i].alg);
        assert_true(jose_verify(&keys.items[0], str_of(vectors[i].text), signature, len));
    }
}

static void any_changed_bit_and_any_other_length_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        CLEANUP(jose_keys_release) struct jose_keys keys = {0};
        uint8_t signature[JOSE_SIGNATURE_MAX] = {0};
        size_t len = signature_of(&vectors[i], signature);
        CLEANUP(free_ptr) char *text = xstrdup(vectors[i].text);
        load(&keys, vectors[i].jwk);
        for (size_t bit = 0; bit < 8 * len; bit += 7) {
            signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(jose_verify(&keys.items[0], str_of(text), signature, len));
            signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t other = 0; other < len; other += 5)
            assert_false(jose_verify(&keys.items[0], str_of(text), signature, other));
        assert_false(jose_verify(&keys.items[0], str_of(text), signature, len + 1));
        text[3]++;
        assert_false(jose_verify(&keys.items[0], str_of(text), signature, len));
    }
}

static void the_numbers_of_an_es256_signature_are_not_zero(void **state)
{
    (void)state;
    CLEANUP(jose_keys_release) struct jose_keys keys = {0};
    uint8_t signature[64] = {0};
    load(&keys, vectors[JOSE_ES256].jwk);
    assert_false(jose_verify(&keys.items[0], STR("text"), signature, sizeof(signature)));
}

static void a_set_gives_the_keys_that_are_for_verifying(void **state)
{
    (void)state;
    static const char point[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    static const struct {
        const char *more;
        bool taken;
    } cases[] = {
        {"", true},
        {",\"use\":\"sig\"", true},
        {",\"use\":\"enc\"", false},
        {",\"alg\":\"EdDSA\"", true},
        {",\"alg\":\"ES256\"", false},
        {",\"alg\":\"none\"", false},
        {",\"key_ops\":[\"verify\"]", true},
        {",\"key_ops\":[\"sign\"]", false},
        {",\"kid\":\"a\"", true},
        {",\"crv\":\"Ed25519\"", false}, // it is there twice
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(jose_keys_release) struct jose_keys keys = {0};
        CLEANUP(buf_release) struct buf error = {0};
        CLEANUP(free_ptr)
        char *json =
            xasprintf("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}]}", point, cases[i].more);
        int err = jose_keys_add_set(&keys, str_of(json), true, &error);
        assert_int_equal(err, cases[i].taken ? 0 : ERR_INVALID);
        assert_int_equal(keys.count, cases[i].taken);
        assert_int_equal(error.len > 0, !cases[i].taken);
    }
}

static void keys_that_are_none_are_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[1,null,[]]}",
        "{\"kty\":\"RSA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", // 17 bits
        "{\"kty\":\"oct\",\"k\":\"AQAB\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        // not on the curve
        ("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"),
        ("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(jose_keys_release) struct jose_keys keys = {0};
        CLEANUP(buf_release) struct buf error = {0};
        assert_int_equal(jose_keys_add_set(&keys, str_of(bad[i]), true, &error), ERR_INVALID);
        assert_true(keys.count == 0 && error.len > 0);
    }
}

static void symmetric_keys_are_taken_only_where_they_are_secret(void **state)
{
    (void)state;
    CLEANUP(jose_keys_release) struct jose_keys keys = {0};
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(jose_keys_add_set(&keys, str_of(vectors[JOSE_HS256].jwk), false, &error), ERR_INVALID);
    assert_int_equal(jose_keys_add_set(&keys, str_of(vectors[JOSE_HS256].jwk), true, &error), 0);
    assert_int_equal(keys.items[0].alg, JOSE_HS256);
}

static void a_key_that_is_there_is_not_added_again_and_there_are_at_most_100(void **state)
{
    (void)state;
    CLEANUP(jose_keys_release) struct jose_keys keys = {0};
    CLEANUP(buf_release) struct buf error = {0};
    char secret[JOSE_SECRET_MIN];
    for (int i = 0; i < JOSE_KEYS_MAX; i++) {
        memset(secret, i + 1, sizeof(secret));
        assert_int_equal(jose_keys_add_secret(&keys, str_n(secret, sizeof(secret)), &error), 0);
        assert_int_equal(jose_keys_add_secret(&keys, str_n(secret, sizeof(secret)), &error), 0);
    }
    assert_int_equal(keys.count, JOSE_KEYS_MAX);
    memset(secret, 0xff, sizeof(secret));
    assert_int_equal(jose_keys_add_secret(&keys, str_n(secret, sizeof(secret)), &error), ERR_INVALID);
    assert_int_equal(keys.count, JOSE_KEYS_MAX);
}

static void a_short_secret_is_refused(void **state)
{
    (void)state;
    CLEANUP(jose_keys_release) struct jose_keys keys = {0};
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(jose_keys_add_secret(&keys, STR("0123456789012345678901234567890"), &error), ERR_INVALID);
    assert_int_equal(jose_keys_add_secret(&keys, STR("01234567890123456789012345678901"), &error), 0);
}

static void a_pem_file_gives_its_public_key_and_never_a_private_one(void **state)
{
    (void)state;
    static const char ed25519[] = "-----BEGIN PUBLIC KEY-----\n" // of RFC 8410, 10.1
                                  "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                                  "-----END PUBLIC KEY-----\n";
    static const char secret[] = "-----BEGIN PRIVATE KEY-----\n"
                                 "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                                 "-----END PRIVATE KEY-----\n";
    CLEANUP(jose_keys_release) struct jose_keys keys = {0};
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(jose_keys_add_pem(&keys, str_of(ed25519), &error), 0);
    assert_true(keys.count == 1 && keys.items[0].alg == JOSE_EDDSA);
    assert_int_equal(jose_keys_add_pem(&keys, str_of(secret), &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "private"));
    assert_int_equal(jose_keys_add_pem(&keys, STR("nothing"), &error), ERR_INVALID);
    assert_int_equal(jose_keys_add_pem(&keys, (struct str){0}, &error), ERR_INVALID);
    assert_int_equal(keys.count, 1);
}

// --- Tokens

static void the_token_of_the_rfc_is_taken_apart(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *token = xasprintf("%s.%s", vectors[0].text, vectors[0].signature);
    CLEANUP(jwt_release) struct jwt jwt;
    assert_true(jwt_looks_so(str_of(token)));
    assert_null(jwt_parse(str_of(token), &jwt));
    assert_int_equal(jwt.alg, JOSE_HS256);
    assert_str(jwt.text, vectors[0].text);
    assert_int_equal(jwt.signature_len, 32);
    assert_int_equal(jwt.kid.len, 0);
    assert_non_null(jwt_claim(&jwt, "iss"));
    assert_non_null(jwt_claim(&jwt, "http://example.com/is_root")); // its dots part nothing
    assert_null(jwt_claim(&jwt, "sub"));
    assert_null(jwt_claim(&jwt, "iss.x"));
}

static char *url64(const char *text)
{
    char *out = xcalloc(1, BASE64_LEN(strlen(text)) + 1);
    size_t len = base64_encode(text, strlen(text), out);
    for (size_t i = 0; i < len; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    while (len > 0 && out[len - 1] == '=')
        out[--len] = 0;
    return out;
}

static const char *parse(const char *header, const char *claims, const char *signature)
{
    CLEANUP(free_ptr) char *first = url64(header);
    CLEANUP(free_ptr) char *second = url64(claims);
    CLEANUP(free_ptr) char *token = xasprintf("%s.%s.%s", first, second, signature);
    CLEANUP(jwt_release) struct jwt jwt;
    return jwt_parse(str_of(token), &jwt);
}

static void what_a_header_must_not_say_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool good;
    } cases[] = {
        {"{\"alg\":\"HS256\"}", true},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"a\"}", true},
        {"{\"alg\":\"RS256\",\"jku\":\"https://evil.example/\",\"jwk\":{},\"x5u\":\"https://evil.example/\"}", true},
        {"{}", false},
        {"{\"alg\":\"none\"}", false},
        {"{\"alg\":\"None\"}", false},
        {"{\"alg\":\"hs256\"}", false},
        {"{\"alg\":\"HS512\"}", false},
        {"{\"alg\":\"RS512\"}", false},
        {"{\"alg\":\"ES384\"}", false},
        {"{\"alg\":[\"HS256\"]}", false},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", false},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", false},
        {"{\"alg\":\"HS256\",\"crit\":[]}", false},
        {"{\"alg\":\"HS256\",\"b64\":false}", false},
        {"{\"alg\":\"HS256\",\"kid\":7}", false},
        {"{\"alg\":\"HS256\",\"kid\":\"\"}", false},
        {"[]", false},
        {"null", false},
        {"{\"alg\":\"HS256\"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(parse(cases[i].header, "{}", "AAAA") == NULL, cases[i].good);
}

static void a_claim_that_is_there_twice_is_refused_at_any_depth(void **state)
{
    (void)state;
    static const char header[] = "{\"alg\":\"HS256\"}";
    assert_null(parse(header, "{\"sub\":\"a\",\"x\":{\"sub\":\"b\"}}", "AAAA"));
    assert_non_null(parse(header, "{\"sub\":\"a\",\"sub\":\"a\"}", "AAAA"));
    assert_non_null(parse(header, "{\"sub\":\"a\",\"s\\u0075b\":\"b\"}", "AAAA"));
    assert_non_null(parse(header, "{\"app_metadata\":{\"account\":\"a\",\"account\":\"b\"}}", "AAAA"));
    assert_non_null(parse(header, "{\"sub\":\"a\\u0000b\"}", "AAAA"));
    assert_non_null(parse(header, "{\"sub\":\"\xff\"}", "AAAA"));
    assert_non_null(parse(header, "[]", "AAAA"));
}

static void text_that_is_no_three_parts_of_base64url_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "...",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "eyJhbGciOiJIUzI1NiJ9.e30.",
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA=",
        "eyJhbGciOiJIUzI1NiJ9.e30.AAA+",
        "eyJhbGciOiJIUzI1NiJ9.e30.A",
        "eyJhbGciOiJIUzI1NiJ9.e30.AB", // the last bits belong to no byte
        "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA",
        " eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(jwt_release) struct jwt jwt;
        assert_non_null(jwt_parse(str_of(bad[i]), &jwt));
    }
    CLEANUP(buf_release) struct buf large = {0};
    CLEANUP(jwt_release) struct jwt jwt;
    buf_append_text(&large, "eyJhbGciOiJIUzI1NiJ9.e30.");
    while (large.len <= JWT_MAX)
        buf_append_text(&large, "AAAA");
    assert_non_null(jwt_parse(buf_str(&large), &jwt));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfcs_are_verified),
        cmocka_unit_test(any_changed_bit_and_any_other_length_is_refused),
        cmocka_unit_test(the_numbers_of_an_es256_signature_are_not_zero),
        cmocka_unit_test(a_set_gives_the_keys_that_are_for_verifying),
        cmocka_unit_test(keys_that_are_none_are_left_out),
        cmocka_unit_test(symmetric_keys_are_taken_only_where_they_are_secret),
        cmocka_unit_test(a_key_that_is_there_is_not_added_again_and_there_are_at_most_100),
        cmocka_unit_test(a_short_secret_is_refused),
        cmocka_unit_test(a_pem_file_gives_its_public_key_and_never_a_private_one),
        cmocka_unit_test(the_token_of_the_rfc_is_taken_apart),
        cmocka_unit_test(what_a_header_must_not_say_is_refused),
        cmocka_unit_test(a_claim_that_is_there_twice_is_refused_at_any_depth),
        cmocka_unit_test(text_that_is_no_three_parts_of_base64url_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
