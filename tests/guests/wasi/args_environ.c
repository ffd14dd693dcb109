// args_sizes_get, args_get, environ_sizes_get, environ_get.
// The harness passes the arguments "one", "", "drei vier", "ü" and the environment EMPTY=,
// KEY=value, EQUALS=a=b, UNI=ß, and nothing of its own.
#include "check.h"
#include "raw.h"

int main(void) {
    static const char *const want_args[] = {"one", "", "drei vier", "\xc3\xbc"};
    static const char *const want_env[] = {"EMPTY=", "KEY=value", "EQUALS=a=b", "UNI=\xc3\x9f"};

    __wasi_size_t argc = 0, size = 0;
    CHECK_OK(__wasi_args_sizes_get(&argc, &size));
    CHECK_EQ(argc, 5);
    uint8_t *argv[16] = {0};
    uint8_t buf[4096];
    memset(buf, 0xaa, sizeof buf);
    REQUIRE(argc > 15 || size > sizeof buf);
    CHECK_OK(__wasi_args_get(argv, buf));
    size_t sum = 0;
    for (size_t i = 0; i < argc; i++) {
        CHECK(argv[i] >= buf && argv[i] < buf + size);
        sum += strlen((char *)argv[i]) + 1;
        if (i > 0) CHECK_EQ(strcmp((char *)argv[i], want_args[i - 1]), 0);
    }
    // "The size of the argument string data": every string with its NUL and nothing else.
    CHECK_EQ(sum, size);
    CHECK_EQ(buf[size], 0xaa);

    __wasi_size_t envc = 0, env_size = 0;
    CHECK_OK(__wasi_environ_sizes_get(&envc, &env_size));
    CHECK_EQ(envc, 4);
    uint8_t *env[16] = {0};
    uint8_t env_buf[4096];
    memset(env_buf, 0xaa, sizeof env_buf);
    REQUIRE(envc > 15 || env_size > sizeof env_buf);
    CHECK_OK(__wasi_environ_get(env, env_buf));
    sum = 0;
    for (size_t i = 0; i < envc; i++) {
        CHECK(env[i] >= env_buf && env[i] < env_buf + env_size);
        sum += strlen((char *)env[i]) + 1;
    }
    CHECK_EQ(sum, env_size);
    CHECK_EQ(env_buf[env_size], 0xaa);
    // The order is the host's affair.
    for (size_t w = 0; w < 4; w++) {
        int found = 0;
        for (size_t i = 0; i < envc; i++) found += strcmp((char *)env[i], want_env[w]) == 0;
        CHECK_EQ(found, 1);
    }

    // There is one pointer per string, not one more for a terminator: an array that ends
    // exactly where memory ends is long enough, and so is a buffer that does.
    uint8_t *end = (uint8_t *)(uintptr_t)memory_end();
    uint8_t *scratch = malloc(4096);
    CHECK_OK(__wasi_args_get((uint8_t **)(end - 4 * argc), scratch));
    CHECK_EQ(strcmp((char *)((uint8_t **)(end - 4 * argc))[1], "one"), 0);
    CHECK_OK(__wasi_environ_get((uint8_t **)(end - 4 * envc), scratch));
    CHECK_OK(__wasi_args_get(argv, end - size));
    CHECK_EQ(strcmp((char *)argv[1], "one"), 0);
    CHECK_OK(__wasi_environ_get(env, end - env_size));

    CHECK_EQ(strcmp(getenv("KEY"), "value"), 0);
    CHECK_EQ(strcmp(getenv("EQUALS"), "a=b"), 0);
    CHECK(getenv("PATH") == NULL); // nothing of the host's own environment
    return check_done();
}
