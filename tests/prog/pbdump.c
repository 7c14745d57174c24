/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbdump.c - print a pprof profile (not compressed, on standard input) as lines.
 *
 * Made for the tests only, and of nothing that the library is made of, so that
 * an error of one does not hide that of the other.
 *
 *	type TYPE UNIT
 *	default TYPE
 *	period N
 *	comment TEXT
 *	mapping ID START LIMIT OFFSET BUILD_ID FILE
 *	sample ALLOC_OBJECTS ALLOC_BYTES LIVE_OBJECTS LIVE_BYTES bytes=N thread=NAME [leak=CLASS]
 *[ages=N,...] [lived=MS:N,...] | ADDRESS ... | FILE+VADDR ... | FUNCTION ...		(one line,
 *leaf first)
 *
 * Names of functions come from the symbol tables of the files mapped.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct bytes {
	const uint8_t *at, *end;
};

struct field {
	unsigned number, type;
	uint64_t value;
	struct bytes in;
};

struct mapping {
	uint64_t id, start, limit, offset, file, build_id;
	const uint8_t *elf; /* NULL: not readable */
	size_t elf_size;
};

struct location {
	uint64_t id, mapping, address, function;
};

struct function {
	uint64_t id, name;
};

static struct bytes *strings;
static struct mapping *mappings;
static struct location *locations;
static struct function *functions;
static size_t string_count, mapping_count, location_count, function_count;

static void
fail(const char *why)
{
	fprintf(stderr, "pbdump: %s\n", why);
	exit(1);
}

#define APPEND(array, count, element) \
	do { \
		if (((count) & ((count)-1)) == 0) { \
			(array) = \
			    realloc((array), ((count) ? 2 * (count) : 1) * sizeof(*(array))); \
			if ((array) == NULL) \
				fail("no memory"); \
		} \
		(array)[(count)++] = (element); \
	} while (0)

static uint64_t
varint(struct bytes *b)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (b->at >= b->end)
			fail("ends inside a number");
		v |= (uint64_t)(*b->at & 127) << shift;
		if (!(*b->at++ & 128))
			return v;
	}
	fail("number too long");
	return 0;
}

static int
next(struct bytes *b, struct field *f)
{
	if (b->at >= b->end)
		return 0;
	uint64_t key = varint(b);
	f->number = (unsigned)(key >> 3);
	f->type = key & 7;
	f->value = 0;
	f->in = (struct bytes){ NULL, NULL };
	switch (f->type) {
	case 0:
		f->value = varint(b);
		return 1;
	case 2:
		f->value = varint(b);
		if (f->value > (uint64_t)(b->end - b->at))
			fail("message longer than its file");
		f->in = (struct bytes){ b->at, b->at + f->value };
		b->at += f->value;
		return 1;
	default:
		fail("wire type that pprof does not use");
		return 0;
	}
}

/* A repeated number, packed or not. */
static size_t
numbers(const struct field *f, uint64_t *to, size_t have, size_t room)
{
	struct bytes b = f->in;

	if (f->type == 0) {
		if (have >= room)
			fail("too many numbers");
		to[have] = f->value;
		return have + 1;
	}
	while (b.at < b.end) {
		if (have >= room)
			fail("too many numbers");
		to[have++] = varint(&b);
	}
	return have;
}

static const char *
text(uint64_t index)
{
	static char *shown[8];
	static unsigned turn;

	if (index >= string_count)
		fail("string index out of range");
	size_t len = (size_t)(strings[index].end - strings[index].at);
	char **s = &shown[turn++ % 8];
	*s = realloc(*s, len + 1);
	if (*s == NULL)
		fail("no memory");
	memcpy(*s, strings[index].at, len);
	(*s)[len] = '\0';
	return *s;
}

static void
open_elf(struct mapping *m)
{
	struct stat st;
	int fd = open(text(m->file), O_RDONLY);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(Elf64_Ehdr)) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED && memcmp(p, ELFMAG, SELFMAG) == 0) {
			m->elf = p;
			m->elf_size = (size_t)st.st_size;
		}
	}
	close(fd);
}

static const struct mapping *
mapping_of(uint64_t id)
{
	for (size_t i = 0; i < mapping_count; i++)
		if (mappings[i].id == id)
			return &mappings[i];
	return NULL;
}

/* The address that the file itself gives what is mapped at `address`. */
static uint64_t
vaddr(const struct mapping *m, uint64_t address)
{
	uint64_t offset = address - m->start + m->offset;
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)m->elf;

	for (unsigned i = 0; e != NULL && i < e->e_phnum; i++) {
		const Elf64_Phdr *p = (const Elf64_Phdr *)(const void *)(m->elf + e->e_phoff) + i;
		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0 &&
		    offset >= (p->p_offset & ~UINT64_C(4095)) && offset < p->p_offset + p->p_filesz)
			return offset - p->p_offset + p->p_vaddr;
	}
	return offset;
}

static const char *
symbol(const struct mapping *m, uint64_t at)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)m->elf;

	if (e == NULL)
		return "?";
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(m->elf + e->e_shoff);
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < e->e_shnum; i++) {
			const Elf64_Shdr *s = &sections[i];
			if (s->sh_type != (pass == 0 ? SHT_SYMTAB : SHT_DYNSYM))
				continue;
			const char *names = (const char *)m->elf + sections[s->sh_link].sh_offset;
			const Elf64_Sym *sym =
			    (const Elf64_Sym *)(const void *)(m->elf + s->sh_offset);
			for (size_t k = 0; k < s->sh_size / sizeof(*sym); k++)
				if (ELF64_ST_TYPE(sym[k].st_info) == STT_FUNC &&
				    at >= sym[k].st_value && at < sym[k].st_value + sym[k].st_size)
					return names + sym[k].st_name;
		}
	}
	return "?";
}

static void
read_mapping(struct bytes in)
{
	struct mapping m = { 0 };
	struct field f;

	while (next(&in, &f)) {
		uint64_t *to[] = { NULL, &m.id, &m.start, &m.limit, &m.offset, &m.file,
			&m.build_id };
		if (f.number >= 1 && f.number <= 6)
			*to[f.number] = f.value;
	}
	APPEND(mappings, mapping_count, m);
}

static void
read_location(struct bytes in)
{
	struct location l = { 0 };
	struct field f, g;

	while (next(&in, &f)) {
		if (f.number >= 1 && f.number <= 3)
			*(f.number == 1     ? &l.id
			    : f.number == 2 ? &l.mapping
					    : &l.address) = f.value;
		else if (f.number == 4)
			while (next(&f.in, &g))
				if (g.number == 1)
					l.function = g.value;
	}
	APPEND(locations, location_count, l);
}

static void
read_function(struct bytes in)
{
	struct function fn = { 0 };
	struct field f;

	while (next(&in, &f)) {
		if (f.number == 1)
			fn.id = f.value;
		else if (f.number == 2)
			fn.name = f.value;
	}
	APPEND(functions, function_count, fn);
}

static const struct location *
location_of(uint64_t id)
{
	/* Numbered in order, as a rule. */
	if (id >= 1 && id <= location_count && locations[id - 1].id == id)
		return &locations[id - 1];
	for (size_t i = 0; i < location_count; i++)
		if (locations[i].id == id)
			return &locations[i];
	fail("sample of a location that is not there");
	return NULL;
}

static void
print_function(const struct location *l)
{
	const struct mapping *m = mapping_of(l->mapping);

	for (size_t i = 0; i < function_count; i++)
		if (functions[i].id == l->function && l->function != 0) {
			printf(" %s", text(functions[i].name));
			return;
		}
	printf(" %s", m != NULL ? symbol(m, vaddr(m, l->address)) : "?");
}

static void
print_sample(struct bytes in)
{
	uint64_t ids[4096], values[8] = { 0 };
	size_t depth = 0, value_count = 0;
	uint64_t size = 0, thread = 0, leak = 0, age[8], lived[32], freed[32];
	size_t ages = 0, lives = 0, counts = 0;
	struct field f, g;

	while (next(&in, &f)) {
		if (f.number == 1)
			depth = numbers(&f, ids, depth, 4096);
		else if (f.number == 2)
			value_count = numbers(&f, values, value_count, 8);
		else if (f.number == 3) {
			uint64_t key = 0, str = 0, num = 0;
			while (next(&f.in, &g))
				*(g.number == 1     ? &key
				    : g.number == 2 ? &str
				    : g.number == 3 ? &num
						    : &g.value) = g.value;
			if (strcmp(text(key), "bytes") == 0)
				size = num;
			else if (strcmp(text(key), "thread") == 0)
				thread = str;
			else if (strcmp(text(key), "leak") == 0)
				leak = str;
			else if (strcmp(text(key), "age") == 0 && ages < 8)
				age[ages++] = num;
			else if (strcmp(text(key), "lived") == 0 && lives < 32)
				lived[lives++] = num;
			else if (strcmp(text(key), "freed") == 0 && counts < 32)
				freed[counts++] = num;
		}
	}
	if (value_count != 4)
		fail("sample without its four values");
	if (lives != counts)
		fail("labels lived and freed that are no pairs");
	printf("sample %lld %lld %lld %lld bytes=%llu thread=%s", (long long)values[0],
	    (long long)values[1], (long long)values[2], (long long)values[3],
	    (unsigned long long)size, text(thread));
	if (leak != 0)
		printf(" leak=%s", text(leak));
	for (size_t i = 0; i < ages; i++)
		printf("%s%llu", i == 0 ? " ages=" : ",", (unsigned long long)age[i]);
	for (size_t i = 0; i < lives; i++)
		printf("%s%llu:%llu", i == 0 ? " lived=" : ",", (unsigned long long)lived[i],
		    (unsigned long long)freed[i]);
	printf(" |");
	for (size_t i = 0; i < depth; i++)
		printf(" 0x%llx", (unsigned long long)location_of(ids[i])->address);
	printf(" |");
	for (size_t i = 0; i < depth; i++) {
		const struct location *l = location_of(ids[i]);
		const struct mapping *m = mapping_of(l->mapping);
		if (m == NULL)
			printf(" ?");
		else
			printf(
			    " %s+0x%llx", text(m->file), (unsigned long long)vaddr(m, l->address));
	}
	printf(" |");
	for (size_t i = 0; i < depth; i++)
		print_function(location_of(ids[i]));
	printf("\n");
}

static void
print_head(const struct field *f)
{
	struct bytes in = f->in;
	struct field g;
	uint64_t type = 0, unit = 0, comments[64];

	switch (f->number) {
	case 1:
		while (next(&in, &g))
			*(g.number == 1 ? &type : &unit) = g.value;
		printf("type %s %s\n", text(type), text(unit));
		break;
	case 12:
		printf("period %llu\n", (unsigned long long)f->value);
		break;
	case 13:
		for (size_t i = 0, n = numbers(f, comments, 0, 64); i < n; i++)
			printf("comment %s\n", text(comments[i]));
		break;
	case 14:
		printf("default %s\n", text(f->value));
		break;
	}
}

int
main(void)
{
	size_t len = 0, room = 1 << 16;
	uint8_t *data = NULL;
	struct field f;
	ssize_t n;

	do {
		if (data == NULL || len == room)
			data = realloc(data, room *= 2);
		if (data == NULL || (n = read(0, data + len, room - len)) < 0)
			fail("cannot read");
		len += (size_t)n;
	} while (n > 0);
	struct bytes all = { data, data + len };
	if (len == 0)
		fail("empty profile");
	for (struct bytes b = all; next(&b, &f);)
		if (f.number == 6)
			APPEND(strings, string_count, f.in);
	if (string_count == 0 || strings[0].at != strings[0].end)
		fail("string 0 is not empty");
	for (struct bytes b = all; next(&b, &f);) {
		if (f.number == 3)
			read_mapping(f.in);
		else if (f.number == 4)
			read_location(f.in);
		else if (f.number == 5)
			read_function(f.in);
		else
			print_head(&f);
	}
	for (size_t i = 0; i < mapping_count; i++) {
		struct mapping *m = &mappings[i];
		open_elf(m);
		printf("mapping %llu 0x%llx 0x%llx 0x%llx %s %s\n", (unsigned long long)m->id,
		    (unsigned long long)m->start, (unsigned long long)m->limit,
		    (unsigned long long)m->offset, m->build_id != 0 ? text(m->build_id) : "-",
		    text(m->file));
	}
	for (struct bytes b = all; next(&b, &f);)
		if (f.number == 2)
			print_sample(f.in);
	return 0;
}
