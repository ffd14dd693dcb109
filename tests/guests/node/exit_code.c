// Ends with a status: exit_code [STATUS].
#include "node.h"

int main(int argc, char **argv) {
    exit((int)number_arg(argc, argv, 1, 42));
}
