// Teaches: a module reaches only the directories that it was given. Creates, writes, lists,
// renames, reads and removes a file in the directory argv[1] ("/data" if there is none).
//
//   mkdir -p /tmp/scratch
//   arena run --dir /tmp/scratch::/data wasm-samples/build/files.wasm

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory = "/data";

static void fail(const char *what) {
    fprintf(stderr, "files: %s in %s: ", what, directory);
    perror(NULL);
    exit(1);
}

static void list(void) {
    DIR *dir = opendir(directory);
    if (dir == NULL)
        fail("cannot list files");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            printf("listed: %s\n", entry->d_name);
    closedir(dir);
}

int main(int argc, char **argv) {
    char draft[512], final[512], line[64];
    if (argc > 1)
        directory = argv[1];
    snprintf(draft, sizeof draft, "%s/draft.txt", directory);
    snprintf(final, sizeof final, "%s/final.txt", directory);

    FILE *file = fopen(draft, "w");
    if (file == NULL)
        fail("cannot create draft.txt");
    if (fputs("written by a guest\n", file) < 0 || fclose(file) != 0)
        fail("cannot write draft.txt");
    puts("wrote: draft.txt");
    list();

    if (rename(draft, final) != 0)
        fail("cannot rename draft.txt");
    puts("renamed: draft.txt to final.txt");
    list();

    file = fopen(final, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        fail("cannot read final.txt");
    fclose(file);
    printf("read: %s", line);

    if (unlink(final) != 0)
        fail("cannot remove final.txt");
    puts("removed: final.txt");
    return 0;
}
