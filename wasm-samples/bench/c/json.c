// Text and JSON: a document is written, read into a tree of values, changed, and written again;
// strings with escapes, numbers, nesting.

#include "bench.h"

#include <stdbool.h>

enum { LONGEST = 1 << 20, VALUES = 1 << 16, DEEPEST = 64 };
enum { NOTHING, FALSE, TRUE, NUMBER, STRING, ARRAY, OBJECT };

// A tree in one array: the members of an array or object are a list by `next`. An object's have keys.
typedef struct {
    uint8_t type;
    uint32_t first, next;
    const char *key, *text;
    int64_t number; // in thousandths
} Value;

static Value values[VALUES];
static uint32_t used;

// --- Reading. The strings of the tree are in the document itself, where they replace what they
// were read from, which was longer.

static char *at;
static bool failed;

static void skip_space(void) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
        at++;
}

static uint32_t hexadecimal(const char *digits) {
    uint32_t number = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        number = number << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return number;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

static const char *read_string(void) {
    char *begin = ++at, *to = begin;
    while (*at != '"') {
        if (*at == '\0') {
            failed = true;
            return begin;
        }
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        char c = at[1];
        at += 2;
        switch (c) {
            case 'n': *to++ = '\n'; break;
            case 't': *to++ = '\t'; break;
            case 'u':
                to = put_utf8(to, hexadecimal(at));
                at += 4;
                break;
            default: *to++ = c;
        }
    }
    at++;
    *to = '\0';
    return begin;
}

static int64_t read_number(void) {
    bool negative = *at == '-';
    at += negative;
    int64_t number = 0;
    while (*at >= '0' && *at <= '9')
        number = number * 10 + (*at++ - '0');
    int places = 0;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++)
            if (places < 3) {
                number = number * 10 + (*at - '0');
                places++;
            }
    for (; places < 3; places++)
        number *= 10;
    return negative ? -number : number;
}

static bool read_word(const char *word) {
    size_t length = strlen(word);
    if (strncmp(at, word, length) != 0)
        return false;
    at += length;
    return true;
}

static uint32_t read_value(int depth);

static void read_members(Value *parent, bool object, int depth) {
    char close = object ? '}' : ']';
    uint32_t last = 0;
    at++;
    skip_space();
    while (*at != close && !failed) {
        const char *key = NULL;
        if (object) {
            if (*at != '"') {
                failed = true;
                return;
            }
            key = read_string();
            skip_space();
            failed |= *at++ != ':';
        }
        uint32_t member = read_value(depth + 1);
        values[member].key = key;
        if (last == 0)
            parent->first = member;
        else
            values[last].next = member;
        last = member;
        skip_space();
        if (*at == ',')
            at++;
        else
            failed |= *at != close;
        skip_space();
    }
    at += !failed;
}

static uint32_t read_value(int depth) {
    skip_space();
    if (used == VALUES || depth == DEEPEST) {
        failed = true;
        return 0;
    }
    uint32_t index = used++;
    Value *value = &values[index];
    memset(value, 0, sizeof(*value));
    if (*at == '"') {
        value->type = STRING;
        value->text = read_string();
    } else if (*at == '{' || *at == '[') {
        value->type = *at == '{' ? OBJECT : ARRAY;
        read_members(value, *at == '{', depth);
    } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
        value->type = NUMBER;
        value->number = read_number();
    } else if (read_word("true")) {
        value->type = TRUE;
    } else if (read_word("false")) {
        value->type = FALSE;
    } else if (!read_word("null")) {
        failed = true;
    }
    return index;
}

// --- Writing

static char *put_text(char *to, const char *text) {
    while (*text != '\0')
        *to++ = *text++;
    return to;
}

static char *write_string(char *to, const char *text) {
    static const char digits[] = "0123456789abcdef";
    *to++ = '"';
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < ' ') {
            to = put_text(to, "\\u00");
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    return to;
}

static char *write_number(char *to, int64_t number) {
    char digits[24];
    int count = 0;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    if (number < 0)
        *to++ = '-';
    for (; rest != 0 || count < 4; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    for (int i = count - 1; i >= 3; i--)
        *to++ = digits[i];
    if (number % 1000 != 0) {
        *to++ = '.';
        for (int i = 2; i >= 0; i--)
            *to++ = digits[i];
    }
    return to;
}

static char *write_value(char *to, const Value *value) {
    switch (value->type) {
        case FALSE: return put_text(to, "false");
        case TRUE: return put_text(to, "true");
        case NUMBER: return write_number(to, value->number);
        case STRING: return write_string(to, value->text);
        case ARRAY:
        case OBJECT:
            *to++ = value->type == ARRAY ? '[' : '{';
            for (uint32_t i = value->first; i != 0; i = values[i].next) {
                if (values[i].key != NULL) {
                    to = write_string(to, values[i].key);
                    *to++ = ':';
                }
                to = write_value(to, &values[i]);
                if (values[i].next != 0)
                    *to++ = ',';
            }
            *to++ = value->type == ARRAY ? ']' : '}';
            return to;
        default: return put_text(to, "null");
    }
}

// --- The document

static char *write_document(char *to) {
    static const char *const names[] = {"lamp", "kettle", "front door", "caf\\u00e9 \\\"window\\\"",
                                        "thermo\\tstat", "blinds \\u2014 north"};
    uint32_t seed = 41;
    to = put_text(to, "{ \"realm\": \"house\", \"things\": [\n");
    for (int i = 0; i < 400; i++) {
        to = put_text(to, "  { \"name\": \"");
        to = put_text(to, names[bench_random(&seed) % 6]);
        to = put_text(to, "\", \"place\": [");
        for (int axis = 0; axis < 3; axis++) {
            to = write_number(to, (int64_t)(bench_random(&seed) % 2000000) - 1000000);
            to = put_text(to, axis < 2 ? ", " : "], ");
        }
        to = put_text(to, bench_random(&seed) % 2 ? "\"on\": true, " : "\"on\": false, ");
        to = put_text(to, "\"tags\": { \"floor\": ");
        to = write_number(to, bench_random(&seed) % 5 * 1000);
        to = put_text(to, ", \"owner\": null } }");
        to = put_text(to, i < 399 ? ",\n" : "\n");
    }
    return put_text(to, "] }");
}

static uint32_t find(uint32_t object, const char *key) {
    uint32_t member = values[object].first;
    while (member != 0 && strcmp(values[member].key, key) != 0)
        member = values[member].next;
    return member;
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 3500, 2);
    static char text[2][LONGEST];
    uint64_t sum = 0;
    *write_document(text[0]) = '\0';
    for (uint32_t round = 0; round < rounds; round++) {
        char *document = text[round % 2], *other = text[(round + 1) % 2];
        at = document;
        used = 1; // 0 stands for none
        uint32_t root = read_value(0);
        if (failed) {
            fputs("json: the document cannot be read\n", stderr);
            return 1;
        }
        for (uint32_t thing = values[find(root, "things")].first; thing != 0;
             thing = values[thing].next) {
            uint32_t on = find(thing, "on"), place = find(thing, "place");
            values[on].type = values[on].type == TRUE ? FALSE : TRUE;
            values[values[place].first].number += 125;
        }
        char *end = write_value(other, &values[root]);
        *end = '\0';
        for (const char *c = other; c + 8 <= end; c += 8) {
            uint64_t eight;
            memcpy(&eight, c, sizeof(eight));
            sum = bench_mix(sum, eight);
        }
        sum = bench_mix(sum, (uint64_t)(end - other));
    }
    return bench_report("json", rounds, sum);
}
