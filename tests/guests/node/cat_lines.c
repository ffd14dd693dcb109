// Prints each line of stdin as it comes, until the end. Flushes nothing, as print_lines.
#include "node.h"

int main(void) {
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL)
        fputs(line, stdout);
    puts("end of input");
    return 0;
}
