"""Rows as records of text: JSON, CSV and plain lines, written in many ways, with bad ones between."""
import json

import expressions as ex


def json_value(type, value):
    """A value as an app file and an output have it."""
    if value is None:
        return None
    if type.startswith("list<"):
        return [json_value(ex.element_type(type), v) for v in value]
    return ex.time_text(value) if type == "timestamp" else value


class Format:
    """How one source's records are written. columns: of evaluate.Column."""

    def __init__(self, random, columns):
        self.random, self.columns = random, columns

    def schema(self):
        return {c.name: c.type for c in self.columns}

    def options(self):
        """More keys of the source."""
        return {}

    def header(self):
        """The first record, or None."""
        return None

    def bad_wanted(self):
        return self.random.random() < 0.03


class Json(Format):
    name = "json"

    def record(self, row):
        r = self.random
        fields = [(c.name, json_value(c.type, row[c.name])) for c in self.columns
                  if row[c.name] is not None or r.random() < 0.5]
        if r.random() < 0.1:
            fields.append(("not wanted", [1, {"a": None}, "é"]))
        r.shuffle(fields)
        if fields and r.random() < 0.05:  # of a repeated key the last counts
            name = fields[-1][0]
            fields.insert(0, (name, None))
        colon, comma = r.choice([(":", ","), (": ", ", "), (" :\t", " , ")])
        dump = lambda value: json.dumps(value, ensure_ascii=r.random() < 0.3)
        text = "{" + comma.join(dump(name) + colon + dump(value) for name, value in fields) + "}"
        return r.choice(["", " ", "\t"]) + text + r.choice(["", "  "])

    def bad(self):
        ints = [c.name for c in self.columns if c.type == "int"]
        wrong = json.dumps({ints[0]: self.random.choice(["5", 1.5, True, [], 2**63])})
        return self.random.choice(["{", "[1]", "null", '{"a" 1}', '{"a": 1} x', wrong, '{"a": nan}'])


class Csv(Format):
    name = "csv"

    def __init__(self, random, columns):
        super().__init__(random, columns)
        self.with_header = random.random() < 0.4
        self.delimiter = random.choice([",", ",", ";", "|"])
        self.fields = list(columns)
        if self.with_header:
            random.shuffle(self.fields)
            if random.random() < 0.5:
                self.fields.insert(random.randrange(len(self.fields) + 1), None)

    def options(self):
        options = {}
        if self.with_header:
            options["header"] = True
        if self.delimiter != ",":
            options["delimiter"] = self.delimiter
        return options

    def header(self):
        if not self.with_header:
            return None
        return self.delimiter.join(self.quoted(c.name if c else "more") for c in self.fields)

    def quoted(self, text):
        must = text == "" or '"' in text or self.delimiter in text
        if must or self.random.random() < 0.2:
            return '"%s"' % text.replace('"', '""')
        return text

    def field(self, c, row):
        if c is None:
            return self.quoted(self.random.choice(["x", "1", "a b"]))
        value = row[c.name]
        if value is None:
            return ""
        text = ex.to_text(c.type, value)
        if c.type == "bool" and self.random.random() < 0.3:
            text = text.upper()
        return self.quoted(text) if c.type == "string" else text

    def record(self, row):
        return self.delimiter.join(self.field(c, row) for c in self.fields)

    def bad(self):
        d, n = self.delimiter, len(self.fields)
        return self.random.choice([d * n, d * (n - 2) + "x" if n > 2 else "x", '"' + d * (n - 1),
                                   'a"b' + d * (n - 1)])


class Text(Format):
    name = "text"

    def schema(self):
        return None

    def record(self, row):
        return row[self.columns[0].name]

    def bad_wanted(self):
        return False


def csv_fields(line):
    """Fields of one line as pairs (text, quoted)."""
    fields, at = [], 0
    while True:
        if line[at:at + 1] == '"':
            text, at = "", at + 1
            while True:
                end = line.index('"', at)
                text, at = text + line[at:end], end + 1
                if line[at:at + 1] != '"':
                    break
                text, at = text + '"', at + 1
            fields.append((text, True))
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            fields.append((line[at:end], False))
            at = end
        if at == len(line):
            return fields
        if line[at] != ",":
            raise ValueError("no comma at %d of %s" % (at, line))
        at += 1


def csv_row(columns, line):
    """A line of a CSV output, as a row of a JSON output."""
    def value(type, text, quoted):
        if text == "" and not quoted:
            return None
        if type in ("int", "float", "bool") or type.startswith("list<"):
            return json.loads(text)
        return text
    fields = csv_fields(line)
    if len(fields) != len(columns):
        raise ValueError("%d fields, not %d: %s" % (len(fields), len(columns), line))
    return {c.name: value(c.type, *field) for c, field in zip(columns, fields)}


BAD, BLANK = "bad", "blank"


def write(format, rows, blanks):
    """Records of these rows, as pairs (text, row); instead of a row BAD, or BLANK."""
    records = []
    for row in rows:
        if format.bad_wanted():
            records.append((format.bad(), BAD))
        if blanks and format.random.random() < 0.05:
            records.append((format.random.choice(["", "  ", "\t"]), BLANK))
        records.append((format.record(row), row))
    return records


def take(source, files):
    """Makes these lists of records the files of a source."""
    source.files = files
    source.batches = [[row for records in files for _, row in records if isinstance(row, dict)]]
    source.bad = sum(row == BAD for records in files for _, row in records)
