#include "auth/keyring.h"

#include "net/digest.h"
#include "util/file.h"
#include "util/id.h"
#include "util/private_file.h"

#include <openssl/evp.h>
#include <pthread.h>

#define VERSION   1
#define KEY_LEN   32
#define ID_LEN    8
#define NONCE_LEN 12
#define TAG_LEN   16
#define HEAD_LEN  (1 + ID_LEN + NONCE_LEN)
#define FILE_MAX  65536

struct key {
    uint8_t bytes[KEY_LEN], id[ID_LEN];
};

struct keyring {
    pthread_rwlock_t lock; // of what follows
    struct key keys[KEYRING_KEYS_MAX];
    size_t count;
};

// --- The file

int keyring_make(const char *path)
{
    uint8_t key[KEY_LEN];
    char text[2 * KEY_LEN + 2];
    random_bytes(key, sizeof(key));
    hex_encode(key, sizeof(key), text);
    text[sizeof(text) - 2] = '\n';
    int err = file_write_atomic(path, text, sizeof(text) - 1, 0600);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(text, sizeof(text));
    return err;
}

static const char *keyring_add(struct keyring *keyring, struct str line)
{
    uint8_t digest[32];
    struct str text = str_trim(str_split(&line, '#'));
    if (text.len == 0)
        return NULL;
    if (keyring->count == KEYRING_KEYS_MAX)
        return "it may have 16 keys at most";
    struct key *key = &keyring->keys[keyring->count];
    if (!hex_decode(text, key->bytes, KEY_LEN))
        return "each of its lines must be a key of 64 hexadecimal digits, or a comment behind #";
    sha256(key->bytes, KEY_LEN, digest);
    memcpy(key->id, digest, ID_LEN);
    keyring->count++;
    return NULL;
}

int keyring_load(const char *path, struct buf *ret_error, struct keyring **ret)
{
    CLEANUP(keyring_free) struct keyring *keyring = xcalloc(1, sizeof(*keyring));
    pthread_rwlock_init(&keyring->lock, NULL);
    CLEANUP(buf_release) struct buf text = {0};
    const char *problem = private_file_read(path, FILE_MAX, &text);
    struct str rest = buf_str(&text);
    while (!problem && rest.len > 0)
        problem = keyring_add(keyring, str_split(&rest, '\n'));
    if (text.data)
        explicit_bzero(text.data, text.cap);
    if (!problem && keyring->count == 0)
        problem = "it holds no key";
    if (problem) {
        buf_printf(ret_error, "%s: %s", path, problem);
        return ERR_INVALID;
    }
    *ret = TAKE_PTR(keyring);
    return 0;
}

int keyring_reload(struct keyring *keyring, const char *path, struct buf *ret_error)
{
    CLEANUP(keyring_free) struct keyring *fresh = NULL;
    int err = keyring_load(path, ret_error, &fresh);
    if (err < 0)
        return err;
    pthread_rwlock_wrlock(&keyring->lock);
    memcpy(keyring->keys, fresh->keys, sizeof(keyring->keys));
    keyring->count = fresh->count;
    pthread_rwlock_unlock(&keyring->lock);
    return 0;
}

void keyring_free(struct keyring **keyring_ptr)
{
    struct keyring *keyring = TAKE_PTR(*keyring_ptr);
    if (!keyring)
        return;
    pthread_rwlock_destroy(&keyring->lock);
    explicit_bzero(keyring, sizeof(*keyring));
    free(keyring);
}

// --- A key, copied out

static void key_wipe(struct key *key)
{
    explicit_bzero(key, sizeof(*key));
}

static pthread_rwlock_t *lock_of(const struct keyring *keyring)
{
    return &((struct keyring *)(uintptr_t)keyring)->lock;
}

// The one of that id; NULL: the first one. Returns false if it is not here.
static bool key_copy(const struct keyring *keyring, const uint8_t *id, struct key *ret)
{
    bool found = false;
    pthread_rwlock_rdlock(lock_of(keyring));
    for (size_t i = 0; i < keyring->count && !found; i++) {
        found = !id || memcmp(keyring->keys[i].id, id, ID_LEN) == 0;
        if (found)
            *ret = keyring->keys[i];
    }
    pthread_rwlock_unlock(lock_of(keyring));
    return found;
}

// --- Sealing

static void cipher_free(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

// What is authenticated besides the value. A name has no zero byte.
static void append_place(struct buf *out, const struct keyring_place *place)
{
    buf_printf(out, "runnel secret %lld ", (long long)place->account);
    buf_append_str(out, place->name);
}

// The library has failed, for which a request cannot be the reason.
static void must(int outcome)
{
    if (outcome != 1)
        abort();
}

void keyring_seal(const struct keyring *keyring, const struct keyring_place *place, struct str value, struct buf *out)
{
    CLEANUP(buf_release) struct buf bound = {0};
    CLEANUP(cipher_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CLEANUP(key_wipe) struct key key = {0};
    uint8_t nonce[NONCE_LEN];
    int len;
    key_copy(keyring, NULL, &key); // there is always one
    random_bytes(nonce, sizeof(nonce));
    append_place(&bound, place);
    buf_append_byte(out, VERSION);
    buf_append(out, key.id, ID_LEN);
    buf_append(out, nonce, sizeof(nonce));
    buf_reserve(out, value.len + TAG_LEN);
    uint8_t *at = (uint8_t *)out->data + out->len;
    must(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key.bytes, nonce));
    must(EVP_EncryptUpdate(ctx, NULL, &len, (const uint8_t *)bound.data, (int)bound.len));
    must(EVP_EncryptUpdate(ctx, at, &len, (const uint8_t *)value.data, (int)value.len));
    must(EVP_EncryptFinal_ex(ctx, at + len, &len));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, at + value.len));
    out->len += value.len + TAG_LEN;
}

bool keyring_is_newest(const struct keyring *keyring, struct str sealed)
{
    CLEANUP(key_wipe) struct key key = {0};
    key_copy(keyring, NULL, &key);
    return sealed.len >= HEAD_LEN && sealed.data[0] == VERSION && memcmp(sealed.data + 1, key.id, ID_LEN) == 0;
}

int keyring_open(const struct keyring *keyring, const struct keyring_place *place, struct str sealed, struct buf *out)
{
    CLEANUP(buf_release) struct buf bound = {0};
    CLEANUP(cipher_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t bytes[HEAD_LEN], tag[TAG_LEN];
    int len;
    if (sealed.len < HEAD_LEN + TAG_LEN || sealed.data[0] != VERSION)
        return ERR_CORRUPT;
    size_t value_len = sealed.len - HEAD_LEN - TAG_LEN;
    memcpy(bytes, sealed.data, sizeof(bytes));
    memcpy(tag, sealed.data + HEAD_LEN + value_len, sizeof(tag));
    CLEANUP(key_wipe) struct key key = {0};
    if (!key_copy(keyring, bytes + 1, &key))
        return ERR_NOT_FOUND;
    append_place(&bound, place);
    buf_reserve(out, value_len + 1);
    uint8_t *at = (uint8_t *)out->data + out->len;
    must(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key.bytes, bytes + 1 + ID_LEN));
    must(EVP_DecryptUpdate(ctx, NULL, &len, (const uint8_t *)bound.data, (int)bound.len));
    must(EVP_DecryptUpdate(ctx, at, &len, (const uint8_t *)sealed.data + HEAD_LEN, (int)value_len));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag));
    if (EVP_DecryptFinal_ex(ctx, at + len, &len) != 1) {
        explicit_bzero(at, value_len);
        return ERR_CORRUPT;
    }
    out->len += value_len;
    return 0;
}
