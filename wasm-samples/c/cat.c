// Teaches: streams. Copies standard input to standard output, byte for byte, until the end.
//
//   printf 'some\0bytes' | arena run wasm-samples/build/cat.wasm | xxd

#include <stdio.h>
#include <unistd.h>

static char buffer[64 * 1024];

int main(void) {
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) > 0) {
        for (ssize_t sent = 0; sent < got;) {
            ssize_t n = write(STDOUT_FILENO, buffer + sent, (size_t)(got - sent));
            if (n < 0) {
                perror("cat: write");
                return 1;
            }
            sent += n;
        }
    }
    if (got < 0) {
        perror("cat: read");
        return 1;
    }
    return 0;
}
