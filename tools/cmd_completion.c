/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_completion.c - otheap completion: what a shell needs to complete our command line.
 *
 * Subcommands come from the table of the command, their options from their
 * help texts, as a person reads them:
 *
 *	  -o, --output OUT        what it is
 *	      --stacks, --sites   what they are
 *
 * So a new option completes by itself.  Kinds of values are told by the word
 * that stands for them.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/cmd.h"
#include "tools/mem.h"

#define NAMES_MAX 4 /* of one option */
#define NAME_MAX_BYTES 32
#define ABOUT_MAX 72

static const char help[] =
    "usage: otheap completion bash|zsh|fish\n"
    "\n"
    "Prints what the shell needs to complete the subcommands, options and values of otheap.\n"
    "make install puts it where the shells find it; without that:\n"
    "\n"
    "  bash  eval \"$(otheap completion bash)\"\n"
    "  zsh   eval \"$(otheap completion zsh)\"      after compinit\n"
    "  fish  otheap completion fish | source\n"
    "\n"
    "exit status: 0 fine, 2 wrong usage\n";

static const struct oh_command *const *commands;
static size_t command_count;

void
oh_completion_of(const struct oh_command *const *list, size_t count)
{
	commands = list;
	command_count = count;
}

/* ---- options, out of a help text ------------------------------------------------- */

struct option {
	char names[NAMES_MAX][NAME_MAX_BYTES]; /* "-o", "--output" */
	size_t count;
	char value[NAME_MAX_BYTES]; /* "OUT"; "" if it takes none */
	char about[ABOUT_MAX];
};

static size_t
copy(char *to, size_t room, const char *from, size_t len)
{
	if (len >= room)
		len = room - 1;
	memcpy(to, from, len);
	to[len] = '\0';
	return len;
}

/* The text behind the names, on this line or the next. */
static void
take_about(struct option *o, const char *s)
{
	size_t len;

	s += strspn(s, " ");
	if (*s == '\n' && s[1] == ' ')
		s += 1 + strspn(s + 1, " ");
	if (*s == '-') /* another option */
		return;
	len = strcspn(s, "\n");
	for (len = copy(o->about, sizeof(o->about), s, len); len > 0; len--)
		if (strchr(" ,;:(", o->about[len - 1]) == NULL)
			break;
	o->about[len] = '\0';
}

/* Is this line about an option?  Its names, value and text go to *ret. */
static bool
parse_option(const char *line, struct option *ret)
{
	const char *s = line + strspn(line, " ");
	size_t len;

	memset(ret, 0, sizeof(*ret));
	if (s == line || *s != '-')
		return false;
	while (*s == '-' && ret->count < NAMES_MAX) {
		for (len = 0; isalnum((unsigned char)s[len]) || s[len] == '-';)
			len++;
		if (len < 2)
			return false;
		(void)copy(ret->names[ret->count++], NAME_MAX_BYTES, s, len);
		s += len;
		if (strncmp(s, ", ", 2) != 0)
			break;
		s += 2;
	}
	s += *s == '=' ? strcspn(s, " \n") : 0; /* --quiet=0 */
	if (*s == ' ' && isupper((unsigned char)s[1])) {
		for (len = 0; isupper((unsigned char)s[1 + len]) || strchr("=_", s[1 + len]);)
			if (s[1 + len++] == '\0')
				return false;
		/* A word in capitals, not the first letter of a text. */
		if (s[1 + len] == ' ' || s[1 + len] == '\n') {
			(void)copy(ret->value, sizeof(ret->value), s + 1, len);
			s += 1 + len;
		}
	}
	take_about(ret, s);
	return true;
}

/* Call `one` for each option of a command. */
static void
each_option(
    const struct oh_command *c, void (*one)(const struct oh_command *, const struct option *))
{
	for (const char *line = c->help; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		struct option o;

		if (parse_option(line, &o))
			one(c, &o);
		line = *end != '\0' ? end + 1 : end;
	}
}

/* Of several long names the value is the last one's: --short-names, --width COLUMNS. */
static bool
takes_value(const struct option *o, size_t name)
{
	return o->value[0] != '\0' && (o->names[0][1] != '-' || name + 1 == o->count);
}

/* ---- what a value may be ------------------------------------------------------------ */

enum kind { KIND_NONE, KIND_WORDS, KIND_FILES, KIND_FOLDERS };

static enum kind
kind_of(const struct oh_command *c, const struct option *o, const char **ret_words)
{
	static const char *const files[] = { "FILE", "OUT", "BASE", "F" };
	static const char *const folders[] = { "DIR", "FOLDER", "FOLDERS" };
	static const struct {
		const char *command, *value, *words; /* "": of any command */
	} known[] = {
		{ "", "TYPE", "inuse_space inuse_objects alloc_space alloc_objects" },
		{ "", "UNIT", "auto bytes KiB MiB GiB" },
		{ "", "WHAT", "function line stack thread size module label=" },
		{ "run", "PROTOCOL", "http/protobuf grpc pyroscope auto" },
		{ "", "PROTOCOL", "http/protobuf grpc pyroscope" },
		{ "", "SIGNAL", "USR1 USR2 PROF none" },
		{ "top", "FORMAT", "text json csv folded pprof" },
		{ "peek", "FORMAT", "text json csv" },
		{ "list", "FORMAT", "text json csv" },
		{ "flame", "FORMAT", "html svg" },
		{ "convert", "FORMAT", "pprof folded speedscope heap firefox" },
		{ "", "FORMAT", "text json csv folded" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(files); i++)
		if (strcmp(o->value, files[i]) == 0)
			return KIND_FILES;
	for (size_t i = 0; i < OH_ARRAY_LEN(folders); i++)
		if (strcmp(o->value, folders[i]) == 0)
			return KIND_FOLDERS;
	for (size_t i = 0; i < OH_ARRAY_LEN(known); i++)
		if (strcmp(o->value, known[i].value) == 0 &&
		    (known[i].command[0] == '\0' || strcmp(c->name, known[i].command) == 0)) {
			*ret_words = known[i].words;
			return KIND_WORDS;
		}
	return KIND_NONE;
}

/* Does the command take a process?  Its first line says so. */
static bool
takes_pid(const struct oh_command *c)
{
	const char *end = strchrnul(c->help, '\n'), *pid = strstr(c->help, "PID");

	return pid != NULL && pid < end;
}

static bool
is_completion(const struct oh_command *c)
{
	return strcmp(c->name, "completion") == 0;
}

/* ---- bash ----------------------------------------------------------------------------- */

static void
bash_name(const struct oh_command *c, const struct option *o)
{
	for (size_t i = 0; i < o->count; i++)
		(void)printf(" %s", o->names[i]);
}

static void
bash_value(const struct oh_command *c, const struct option *o)
{
	const char *words = "";
	enum kind kind = kind_of(c, o, &words);
	bool any = false;

	for (size_t i = 0; i < o->count; i++)
		if (takes_value(o, i)) {
			(void)printf(any ? "|'%s %s'" : "\t'%s %s'", c->name, o->names[i]);
			any = true;
		}
	if (!any)
		return;
	(void)puts(")");
	if (kind == KIND_FILES)
		(void)puts("\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))");
	else if (kind == KIND_FOLDERS)
		(void)puts("\t\tCOMPREPLY=($(compgen -d -- \"$cur\"))");
	else if (kind == KIND_WORDS)
		(void)printf("\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n", words);
	(void)puts("\t\treturn\n\t\t;;");
}

static void
print_bash(void)
{
	(void)puts(
	    "# bash completion of otheap, made by `otheap completion bash`\n"
	    "_otheap()\n"
	    "{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= i\n"
	    "\n"
	    "\tCOMPREPLY=()\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
	    "\t\t\tcommand=${COMP_WORDS[i]}\n"
	    "\t\t\tbreak\n"
	    "\t\tfi\n"
	    "\tdone");
	(void)fputs("\tif [[ -z $command ]] || [[ $command == help && i -eq COMP_CWORD-1 ]]; then\n"
		    "\t\tCOMPREPLY=($(compgen -W '",
	    stdout);
	for (size_t i = 0; i < command_count; i++)
		(void)printf("%s ", commands[i]->name);
	(void)puts("help --help --version' -- \"$cur\"))\n"
		   "\t\treturn\n"
		   "\tfi\n"
		   "\tcase \"$command $prev\" in");
	for (size_t i = 0; i < command_count; i++)
		each_option(commands[i], bash_value);
	(void)puts("\tesac\n\tcase $command in");
	for (size_t i = 0; i < command_count; i++) {
		(void)printf("\t%s)\n\t\tif [[ $cur == -* ]]; then\n"
			     "\t\t\tCOMPREPLY=($(compgen -W '",
		    commands[i]->name);
		each_option(commands[i], bash_name);
		(void)puts("' -- \"$cur\"))\n\t\t\treturn\n\t\tfi");
		if (is_completion(commands[i]))
			(void)puts("\t\tCOMPREPLY=($(compgen -W 'bash zsh fish' -- "
				   "\"$cur\"))\n\t\treturn");
		if (takes_pid(commands[i]))
			(void)puts("\t\tCOMPREPLY=($(compgen -W "
				   "\"$(cd /proc && echo [0-9]*)\" -- \"$cur\"))");
		(void)puts("\t\t;;");
	}
	(void)puts("\tesac\n"
		   "\tCOMPREPLY+=($(compgen -f -- \"$cur\"))\n"
		   "}\n"
		   "complete -o filenames -F _otheap otheap");
}

/* ---- zsh ------------------------------------------------------------------------------- */

/* Text between the brackets of _arguments, inside single quotes. */
static void
zsh_text(const char *s)
{
	for (; *s != '\0'; s++) {
		if (strchr("[]:\\", *s) != NULL)
			(void)putchar('\\');
		(void)fputs(*s == '\'' ? "'\\''" : (char[]){ *s, '\0' }, stdout);
	}
}

static void
zsh_option(const struct oh_command *c, const struct option *o)
{
	const char *words = "";
	enum kind kind = kind_of(c, o, &words);

	for (size_t i = 0; i < o->count; i++) {
		bool value = takes_value(o, i);

		(void)printf("\t\t\t'*%s", o->names[i]);
		(void)fputs(value && o->names[i][1] == '-' ? "=[" : "[", stdout);
		zsh_text(o->about[0] != '\0' ? o->about : o->names[i]);
		(void)putchar(']');
		if (value) {
			(void)printf(":%s:", o->value);
			if (kind == KIND_FILES)
				(void)fputs("_files", stdout);
			else if (kind == KIND_FOLDERS)
				(void)fputs("_files -/", stdout);
			else if (kind == KIND_WORDS)
				(void)printf("(%s)", words);
			else
				(void)putchar(' ');
		}
		(void)puts("' \\");
	}
}

static void
print_zsh(void)
{
	(void)puts("#compdef otheap\n"
		   "# zsh completion of otheap, made by `otheap completion zsh`\n"
		   "_otheap()\n"
		   "{\n"
		   "\tlocal -a otheap_commands\n"
		   "\tlocal curcontext=\"$curcontext\"\n"
		   "\n"
		   "\totheap_commands=(");
	for (size_t i = 0; i < command_count; i++) {
		(void)printf("\t\t'%s:", commands[i]->name);
		zsh_text(commands[i]->summary);
		(void)puts("'");
	}
	(void)puts("\t\t'help:the help of a command'\n"
		   "\t)\n"
		   "\tif (( CURRENT == 2 )) || [[ $words[2] == help ]]; then\n"
		   "\t\t_describe 'command' otheap_commands\n"
		   "\t\treturn\n"
		   "\tfi\n"
		   "\tlocal otheap_command=$words[2]\n"
		   "\tshift words\n"
		   "\t(( CURRENT-- ))\n"
		   "\tcase $otheap_command in");
	for (size_t i = 0; i < command_count; i++) {
		(void)printf("\t%s)\n\t\t_arguments \\\n", commands[i]->name);
		each_option(commands[i], zsh_option);
		(void)puts(is_completion(commands[i]) ? "\t\t\t'*:shell:(bash zsh fish)'"
			   : takes_pid(commands[i])   ? "\t\t\t'*:process:_pids'"
						      : "\t\t\t'*:file:_files'");
		(void)puts("\t\t;;");
	}
	(void)puts("\tesac\n"
		   "}\n"
		   "if [[ $funcstack[1] == _otheap ]]; then\n"
		   "\t_otheap \"$@\"\n"
		   "else\n"
		   "\tcompdef _otheap otheap\n"
		   "fi");
}

/* ---- fish -------------------------------------------------------------------------------- */

static void
fish_text(const char *s)
{
	(void)putchar('\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			(void)putchar('\\');
		(void)putchar(*s);
	}
	(void)putchar('\'');
}

static void
fish_option(const struct oh_command *c, const struct option *o)
{
	const char *words = "";
	enum kind kind = kind_of(c, o, &words);

	for (size_t i = 0; i < o->count; i++) {
		bool is_long = o->names[i][1] == '-';

		(void)printf("complete -c otheap -n '__fish_seen_subcommand_from %s' %s %s",
		    c->name, is_long ? "-l" : "-s", o->names[i] + (is_long ? 2 : 1));
		if (takes_value(o, i)) {
			if (kind == KIND_FILES)
				(void)fputs(" -r -F", stdout);
			else if (kind == KIND_FOLDERS)
				(void)fputs(" -x -a '(__fish_complete_directories)'", stdout);
			else if (kind == KIND_WORDS)
				(void)printf(" -x -a '%s'", words);
			else
				(void)fputs(" -x", stdout);
		}
		if (o->about[0] != '\0') {
			(void)fputs(" -d ", stdout);
			fish_text(o->about);
		}
		(void)putchar('\n');
	}
}

static void
print_fish(void)
{
	(void)puts(
	    "# fish completion of otheap, made by `otheap completion fish`\n"
	    "complete -c otheap -n __fish_use_subcommand -f\n"
	    "complete -c otheap -n __fish_use_subcommand -l help -d 'the list of commands'\n"
	    "complete -c otheap -n __fish_use_subcommand -l version -d 'the version'\n"
	    "complete -c otheap -n __fish_use_subcommand -a help -d 'the help of a command'");
	for (size_t i = 0; i < command_count; i++) {
		(void)printf(
		    "complete -c otheap -n __fish_use_subcommand -a %s -d ", commands[i]->name);
		fish_text(commands[i]->summary);
		(void)printf(
		    "\ncomplete -c otheap -n '__fish_seen_subcommand_from help' -f -a %s\n",
		    commands[i]->name);
		if (is_completion(commands[i]))
			(void)puts("complete -c otheap -n '__fish_seen_subcommand_from completion' "
				   "-f -a 'bash zsh fish'");
		if (takes_pid(commands[i]))
			(void)printf("complete -c otheap -n '__fish_seen_subcommand_from %s' -a "
				     "'(__fish_complete_pids)'\n",
			    commands[i]->name);
		each_option(commands[i], fish_option);
	}
}

/* ---- the command ---------------------------------------------------------------------------- */

static int
completion(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		(void)fputs(help, stdout);
		return OH_EXIT_OK;
	}
	for (size_t i = 0; argc == 2 && i < OH_ARRAY_LEN(shells); i++)
		if (strcmp(argv[1], shells[i].name) == 0) {
			shells[i].print();
			return OH_EXIT_OK;
		}
	if (argc == 2)
		(void)fprintf(
		    stderr, "otheap: completion: '%s': expected bash, zsh or fish\n", argv[1]);
	else
		(void)fputs("otheap: completion: expected one of bash, zsh and fish\n", stderr);
	return OH_EXIT_BAD;
}

const struct oh_command oh_cmd_completion = {
	.name = "completion",
	.run = completion,
	.summary = "print what bash, zsh or fish need to complete this command",
	.help = help,
};
