/*
 * lab: the `hopgate lab` command.
 *
 * Role    finds the verb below `lab`
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_LAB_H
#define TOOLS_LAB_LAB_H

/* argv[0] is the verb. Return an exit code of tools/cli/cli.h. */
int lab_verb(int argc, char **argv);
int lab_pki_verb(int argc, char **argv);
int lab_up_verb(int argc, char **argv);
int lab_run_verb(int argc, char **argv);
int lab_matrix_verb(int argc, char **argv);
int lab_status_verb(int argc, char **argv);
int lab_down_verb(int argc, char **argv);
int lab_headers_verb(int argc, char **argv);
int lab_schema_verb(int argc, char **argv);

struct lab_pki_options {
    const char *folder, *server_name;
    int days;
};

/* What `hopgate lab pki` writes. An exit code, after the complaint. */
int lab_pki_write(const struct lab_pki_options *options);

#endif
