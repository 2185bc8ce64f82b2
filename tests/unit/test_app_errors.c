/* What is said about wrong app files: every kind of error, its place, path and suggestion. */
#include "unit/app_unit.h"

#define HEAD "{'version':1,'name':'x','batch':{'interval':'1s'},\n"
#define RATE "'sources':{'r':{'type':'rate','rows_per_second':1}}"

#define BEYOND                                                                                     \
    "can be reached from other hosts: set \"secret\" to \"${DSTREAM_SECRET}\" or \"secret_file\" " \
    "(or listen on a loopback address: 127.0.0.1, [::1], localhost)\n"

START_TEST(no_object)
{
    UNIT_SAYS("", "", {"[]", "app.json:1:1: must be an object (an app), not a list\n"},
              {"1", "app.json:1:1: must be an object (an app), not 1\n"},
              {"{}", "app.json:1:1: version: missing: \"version\" is needed here\n"
                     "app.json:1:1: name: missing: \"name\" is needed here\n"
                     "app.json:1:1: batch: missing: \"batch\" is needed here\n"
                     "app.json:1:1: sources: missing: \"sources\" is needed here\n"});
}
END_TEST

START_TEST(top_level)
{
    UNIT_SAYS(
        "{'batch':{'interval':'1s'}," RATE ",\n", "}",
        {"'version':2,'name':'x'", "app.json:2:11: version: must be 1, not 2\n"},
        {"'version':'1','name':'x'", "app.json:2:11: version: must be a whole number, not \"1\"\n"},
        {"'version':1.0,'name':'x'", "app.json:2:11: version: must be a whole number, not 1.0\n"},
        {"'version':1,'name':'1x'", "app.json:2:20: name: \"1x\" cannot be a name: letters, "
                                    "digits, _ and -, starting with a letter, at most 128\n"},
        {"'version':1,'name':'a b'", "app.json:2:20: name: \"a b\" cannot be a name: letters, "
                                     "digits, _ and -, starting with a letter, at most 128\n"},
        {"'version':1,'name':''", "app.json:2:20: name: \"\" cannot be a name: letters, digits, _ "
                                  "and -, starting with a letter, at most 128\n"},
        {"'version':1,'name':5", "app.json:2:20: name: must be a name (a string), not 5\n"},
        {"'version':1", "app.json:1:1: name: missing: \"name\" is needed here\n"},
        {"'version':1,'name':'x','sink':{}",
         "app.json:2:24: sink: unknown key \"sink\" (did you mean \"sinks\"?)\n"},
        {"'version':1,'name':'x','Streams':{}",
         "app.json:2:24: Streams: unknown key \"Streams\" (did you mean \"streams\"?)\n"},
        {"'version':1,'name':'x','zzz':{}", "app.json:2:24: zzz: unknown key \"zzz\"\n"},
        {"'version':1,'name':'x','streams':[]",
         "app.json:2:34: streams: must be an object of named streams, not a list\n"},
        {"'version':1,'name':'x','streams':null",
         "app.json:2:34: streams: must be an object of named streams, not null\n"},
        {"'version':1,'name':'x','tests':{}",
         "app.json:2:32: tests: must be a list of tests, not an object\n"},
        {"'version':1,'name':'x','$schema':7",
         "app.json:2:34: $schema: must be a string, not 7\n"});
}
END_TEST

START_TEST(not_available_yet)
{
    UNIT_SAYS(
        HEAD RATE ",\n", "}",
        {"'executors':{'mode':'thread'}",
         "app.json:3:21: executors.mode: \"thread\" is not one of processes, threads (did you mean "
         "\"threads\"?)\n"},
        {"'executors':{'mode':2}", "app.json:3:21: executors.mode: must be a string, not 2\n"},
        {"'executors':{'heartbeat':'9ms'}",
         "app.json:3:26: executors.heartbeat: must be 10ms or more, not \"9ms\"\n"},
        {"'log':{}, 'tls':2, 'concurrent_jobs':4, 'block_interval':5",
         "app.json:3:1: log: unknown key \"log\"\n"
         "app.json:3:11: tls: unknown key \"tls\"\n"
         "app.json:3:20: concurrent_jobs: \"concurrent_jobs\" is not available yet\n"
         "app.json:3:41: block_interval: unknown key \"block_interval\"\n"});
    UNIT_SAYS(
        HEAD "'sources':{\n", "}}",
        {"'a':{'type':'stdin','on_error':'dead_letter','concurrent_jobs':4}",
         "app.json:3:32: sources.a.on_error: needs \"dead_letters\" in the app: the path of the "
         "file for them\n"
         "app.json:3:46: sources.a.concurrent_jobs: \"concurrent_jobs\" is not available yet\n"});
}
END_TEST

START_TEST(rates)
{
    UNIT_SAYS(
        HEAD "'sources':{\n", "}}",
        {"'a':{'type':'stdin','max_rate':0}",
         "app.json:3:32: sources.a.max_rate: must be 1 or more, not 0\n"},
        {"'a':{'type':'stdin','max_rate':2.5}",
         "app.json:3:32: sources.a.max_rate: must be a whole number, not 2.5\n"},
        {"'a':{'type':'stdin','replicas':0}",
         "app.json:3:32: sources.a.replicas: must be 1 or more, not 0\n"},
        {"'a':{'type':'stdin','replicas':3}",
         "app.json:3:32: sources.a.replicas: must be at most 2, not 3\n"},
        {"'a':{'type':'files','dir':'in','replicas':2}",
         "app.json:3:32: sources.a.replicas: \"replicas\" belongs to type socket, stdin, not to "
         "files\n"},
        {"'a':{'type':'queue','schema':{'x':'int'},'batches':[],'max_rate':5}",
         "app.json:3:55: sources.a.max_rate: \"max_rate\" belongs to type socket, files, stdin, "
         "rate, tail, not to queue\n"});
    UNIT_SAYS(
        HEAD RATE ",\n", "}",
        {"'backpressure':1",
         "app.json:3:16: backpressure: must be true, false, or an object of its settings, not "
         "1\n"},
        {"'backpressure':{'min_rate':0,'proportional':-0.5,'integral':'x','derived':1001,"
         "'pid':1}",
         "app.json:3:28: backpressure.min_rate: must be 1 or more, not 0\n"
         "app.json:3:45: backpressure.proportional: must be 0 or more, not -0.5\n"
         "app.json:3:61: backpressure.integral: must be a number, not \"x\"\n"
         "app.json:3:75: backpressure.derived: must be at most 1000, not 1001\n"
         "app.json:3:80: backpressure.pid: unknown key \"pid\"\n"},
        {"'api':{}", "app.json:3:1: api.listen: missing: \"listen\" is needed here\n"},
        {"'api':{'listen':'127.0.0.1'}", "app.json:3:17: api.listen: must be \"host:port\"\n"},
        {"'api':{'listen':'127.0.0.1:0'}",
         "app.json:3:17: api.listen: the port must be a number from 1 to 65535\n"});
}
END_TEST

START_TEST(batch_and_checkpoint)
{
    UNIT_SAYS(
        "{'version':1,'name':'x'," RATE ",\n", "}",
        {"'batch':{}", "app.json:2:1: batch.interval: missing: \"interval\" is needed here\n"},
        {"'batch':'1s'", "app.json:2:9: batch: must be an object, not \"1s\"\n"},
        {"'batch':{'interval':'0ms'}",
         "app.json:2:21: batch.interval: must be 1ms or more, not \"0ms\"\n"},
        {"'batch':{'interval':'1.5s'}", "app.json:2:21: batch.interval: must be a duration such as "
                                        "\"10s\" (ms, s, m, h, d), not \"1.5s\"\n"},
        {"'batch':{'interval':1000}", "app.json:2:21: batch.interval: must be a duration such as "
                                      "\"10s\" (ms, s, m, h, d), not 1000\n"},
        {"'batch':{'interval':'36501d'}",
         "app.json:2:21: batch.interval: must be at most 36500d, not \"36501d\"\n"},
        {"'batch':{'intreval':'1s'}",
         "app.json:2:1: batch.interval: missing: \"interval\" is needed here\n"
         "app.json:2:10: batch.intreval: unknown key \"intreval\" (did you mean \"interval\"?)\n"},
        {"'batch':{'interval':'1s'},'checkpoint':{'dir':''}",
         "app.json:2:47: checkpoint.dir: is empty\n"},
        {"'batch':{'interval':'1s'},'checkpoint':{'every':'10'}",
         "app.json:2:49: checkpoint.every: must be a duration such as \"10s\" (ms, s, m, h, d), "
         "not \"10\"\n"},
        {"'batch':{'interval':'1s'},'checkpoint':{'retain':-1}",
         "app.json:2:50: checkpoint.retain: must be 0 or more, not -1\n"},
        {"'batch':{'interval':'1s'},'checkpoint':{'retain':true,'path':'x'}",
         "app.json:2:50: checkpoint.retain: must be a whole number, not true\n"
         "app.json:2:55: checkpoint.path: unknown key \"path\"\n"});
}
END_TEST

#define OUTSIDE HEAD "'executors':{'count':0,'listen':'tcp://127.0.0.1:7000'},'sources':{\n"

/* What only an executor of the driver's own could read. */
START_TEST(no_executors_of_its_own)
{
    UNIT_SAYS(
        OUTSIDE, "},'sinks':{'c':{'type':'console','from':'a'}}}",
        {"'a':{'type':'stdin'}",
         "app.json:3:1: sources.a: reads standard input, which only executors that the driver "
         "starts can: set executors.count to 1 or more\n"},
        {"'a':{'type':'socket','listen':'127.0.0.1:9'}",
         "app.json:3:1: sources.a: listens, which only executors that the driver starts can: set "
         "executors.count to 1 or more\n"},
        {"'a':{'type':'socket','connect':'127.0.0.1:9'}", ""},
        {"'a':{'type':'tail','path':'log'}", ""});
    UNIT_SAYS(HEAD, "",
              {"'executors':{'count':0},'sources':{'a':{'type':'stdin'}}}",
               "app.json:2:22: executors.count: must be 1 or more, unless others can join "
               "(executors.listen)\n"});
}
END_TEST

START_TEST(executors_and_limits)
{
    UNIT_SAYS(
        HEAD RATE ",\n", "}",
        {"'executors':{'count':0}", "app.json:3:22: executors.count: must be 1 or more, unless "
                                    "others can join (executors.listen)\n"},
        {"'executors':{'count':1001,'cores':0,'key_partitions':0}",
         "app.json:3:22: executors.count: must be at most 1000, not 1001\n"
         "app.json:3:35: executors.cores: must be 1 or more, not 0\n"
         "app.json:3:54: executors.key_partitions: must be 1 or more, not 0\n"},
        {"'executors':{'memory':'1MiB'}",
         "app.json:3:23: executors.memory: must be 16MiB or more, not \"1MiB\"\n"},
        {"'executors':{'memory':'1GB'}", "app.json:3:23: executors.memory: must be a size such "
                                         "as \"64KiB\" (B, KiB, MiB, GiB), not \"1GB\"\n"},
        {"'executors':{'listen':'127.0.0.1:7000'}",
         "app.json:3:23: executors.listen: must be \"tcp://host:port\" or "
         "\"tls+tcp://host:port\"\n"},
        {"'executors':{'listen':'tcp://127.0.0.1'}",
         "app.json:3:23: executors.listen: must be \"host:port\"\n"},
        {"'executors':{'listen':'tcp://0.0.0.0:7000'}", "app.json:3:23: executors.listen: " BEYOND},
        {"'executors':{'listen':'tcp://example.org:7000'}",
         "app.json:3:23: executors.listen: " BEYOND},
        {"'executors':{'listen':'tcp://0.0.0.0:7000','secret':7}",
         "app.json:3:53: executors.secret: must be a secret (a string), not this\n"},
        {"'executors':{'listen':'tcp://0.0.0.0:7000','secret':''}",
         "app.json:3:53: executors.secret: is empty\n"},
        {"'executors':{'secret':'0123456789abcdef','secret_file':'s'}",
         "app.json:3:56: executors.secret_file: stands beside \"secret\": there is one secret\n"},
        {"'executors':{'listen':'tcp://127.0.0.1:0','secret':'short'}",
         "app.json:3:23: executors.listen: the port must be a number from 1 to 65535\n"
         "app.json:3:43: warning: executors.secret: is short; `openssl rand -hex 32` makes one "
         "that nobody guesses\n"},
        {"'executors':{'listen':'tcp://localhost:0'}",
         "app.json:3:23: executors.listen: the port must be a number from 1 to 65535\n"},
        {"'limits':{'record':'0B'}",
         "app.json:3:20: limits.record: must be 1B or more, not \"0B\"\n"},
        {"'limits':{'block':'2GiB'}",
         "app.json:3:19: limits.block: must be at most 1GiB, not \"2GiB\"\n"},
        {"'limits':{'record':'5MiB'}",
         "app.json:3:10: limits.block: is 4MiB, less than limits.record (5MiB)\n"},
        {"'limits':{'block':'512MiB','memory':'1GiB'}",
         "app.json:1:1: executors.memory: is 1GiB, less than 4 times limits.block (2GiB)\n"
         "app.json:3:37: limits.memory: is 1GiB, less than 4 times limits.block (2GiB)\n"},
        {"'limits':{'memory':64}", "app.json:3:20: limits.memory: must be a size such as "
                                   "\"64KiB\" (B, KiB, MiB, GiB), not 64\n"});
}
END_TEST

START_TEST(source_keys)
{
    UNIT_SAYS(
        HEAD "'sources':{\n", "}}",
        {"", "app.json:2:11: sources: is empty: needs at least one entry\n"},
        {"'1a':{'type':'stdin'}", "app.json:3:1: sources.1a: \"1a\" cannot be a name: letters, "
                                  "digits and _, starting with a letter, at most 128\n"},
        {"'a-b':{'type':'stdin'}", "app.json:3:1: sources.a-b: \"a-b\" cannot be a name: letters, "
                                   "digits and _, starting with a letter, at most 128\n"},
        {"'':{'type':'stdin'}", "app.json:3:1: sources[\"\"]: \"\" cannot be a name: letters, "
                                "digits and _, starting with a letter, at most 128\n"},
        {"'a':7", "app.json:3:5: sources.a: must be an object (a source), not 7\n"},
        {"'a':{}", "app.json:3:1: sources.a.type: missing: \"type\" is needed here\n"},
        {"'a':{'type':'sokcet','connect':'h:1'}",
         "app.json:3:13: sources.a.type: \"sokcet\" is not one of socket, files, stdin, rate, "
         "queue, table, tail (did you mean \"socket\"?)\n"},
        {"'a':{'type':7,'connect':'h:1'}",
         "app.json:3:13: sources.a.type: must be a string, not 7\n"},
        {"'a':{'type':'files'}", "app.json:3:1: sources.a.dir: missing: \"dir\" is needed here\n"},
        {"'a':{'type':'files','dir':'x','connect':'h:1','rows_per_second':1}",
         "app.json:3:31: sources.a.connect: \"connect\" belongs to type socket, not to files\n"
         "app.json:3:47: sources.a.rows_per_second: \"rows_per_second\" belongs to type rate, not "
         "to files\n"},
        {"'a':{'type':'files','dir':'x','new_files_only':'yes','pattern':''}",
         "app.json:3:48: sources.a.new_files_only: must be true or false, not \"yes\"\n"
         "app.json:3:64: sources.a.pattern: is empty\n"},
        {"'a':{'type':'tail','start_at':'now'}",
         "app.json:3:1: sources.a.path: missing: \"path\" is needed here\n"
         "app.json:3:31: sources.a.start_at: \"now\" is not one of beginning, end\n"},
        {"'a':{'type':'tail','path':'','start_at':5,'dir':'x'}",
         "app.json:3:27: sources.a.path: is empty\n"
         "app.json:3:41: sources.a.start_at: must be a string, not 5\n"
         "app.json:3:43: sources.a.dir: \"dir\" belongs to type files, not to tail\n"},
        {"'a':{'type':'stdin','path':'x','start_at':'end'}",
         "app.json:3:21: sources.a.path: \"path\" belongs to type table, tail, not to stdin\n"
         "app.json:3:32: sources.a.start_at: \"start_at\" belongs to type tail, not to stdin\n"},
        {"'a':{'type':'socket','listen':'h:1','log':true}",
         "app.json:3:43: sources.a.log: needs a checkpoint.dir, where the log is\n"},
        {"'a':{'type':'socket','listen':'h:1','ack':true}",
         "app.json:3:43: sources.a.ack: needs the log (checkpoint.dir, and not \"log\": false): "
         "without it nothing that was received is safe\n"},
        {"'a':{'type':'stdin','block_interval':'2s'}",
         "app.json:3:38: sources.a.block_interval: is longer than batch.interval: blocks are cut "
         "at "
         "every batch\n"},
        {"'a':{'type':'tail','path':'x','log':true}",
         "app.json:3:31: sources.a.log: \"log\" belongs to type socket, stdin, not to tail\n"},
        {"'a':{'type':'stdin','ack':true}",
         "app.json:3:21: sources.a.ack: \"ack\" belongs to type socket, not to stdin\n"},
        {"'a':{'type':'stdin','dir':'x'}",
         "app.json:3:21: sources.a.dir: \"dir\" belongs to type files, not to stdin\n"},
        {"'a':{'type':'stdin'},'b':{'type':'stdin'}",
         "app.json:3:22: sources.b: \"a\" reads standard input already\n"},
        {"'a':{'type':'rate'}",
         "app.json:3:1: sources.a.rows_per_second: missing: \"rows_per_second\" is needed here\n"},
        {"'a':{'type':'rate','rows_per_second':0}",
         "app.json:3:38: sources.a.rows_per_second: must be 1 or more, not 0\n"},
        {"'a':{'type':'rate','rows_per_second':1,'format':'text','schema':{'n':'int'}}",
         "app.json:3:40: sources.a.format: \"format\" belongs to type socket, files, stdin, table, "
         "tail, not to rate\n"
         "app.json:3:56: sources.a.schema: \"schema\" belongs to type socket, files, stdin, queue, "
         "table, tail, not to rate\n"},
        {"'a':{'type':'stdin','on_error':'ignore'}",
         "app.json:3:32: sources.a.on_error: \"ignore\" is not one of skip, fail, dead_letter\n"},
        {"'a':{'type':'stdin','conect':'x'}",
         "app.json:3:21: sources.a.conect: unknown key \"conect\" (did you mean \"connect\"?)\n"});
}
END_TEST

START_TEST(socket_addresses)
{
    UNIT_SAYS(
        HEAD "'sources':{'a':{'type':'socket',\n", "}}}",
        {"'format':'text'",
         "app.json:2:12: sources.a: a socket has either \"connect\" or \"listen\"\n"},
        {"'connect':'h:1','listen':'h:1'",
         "app.json:3:17: sources.a.listen: a socket has either \"connect\" or \"listen\"\n"},
        {"'connect':'localhost'", "app.json:3:11: sources.a.connect: must be \"host:port\"\n"},
        {"'connect':':80'", "app.json:3:11: sources.a.connect: needs a host before the port: "
                            "\"127.0.0.1:9999\" (to listen on all: 0.0.0.0)\n"},
        {"'connect':'h:0'",
         "app.json:3:11: sources.a.connect: the port must be a number from 1 to 65535\n"},
        {"'connect':'h:70000'",
         "app.json:3:11: sources.a.connect: the port must be a number from 1 to 65535\n"},
        {"'listen':'::1:80'",
         "app.json:3:10: sources.a.listen: an IPv6 address stands in brackets: \"[::1]:9999\"\n"},
        {"'listen':'[x]:80'",
         "app.json:3:10: sources.a.listen: what stands in brackets is not an IPv6 address\n"},
        {"'listen':80", "app.json:3:10: sources.a.listen: must be \"host:port\", not 80\n"});
}
END_TEST

START_TEST(formats)
{
    UNIT_SAYS(
        HEAD "'sources':{'a':{'type':'stdin',\n", "}}}",
        {"'format':'jsn'", "app.json:3:10: sources.a.format: \"jsn\" is not one of text, json, "
                           "csv, combined, logfmt, regex (did you mean \"json\"?)\n"},
        {"'format':'json'",
         "app.json:2:12: sources.a.schema: missing: \"schema\" is needed here\n"},
        {"'format':'json','schema':{}",
         "app.json:3:26: sources.a.schema: is empty: needs at least one entry\n"},
        {"'format':'json','schema':['n']", "app.json:3:26: sources.a.schema: must be an object of "
                                           "columns and their types, not a list\n"},
        {"'format':'json','schema':{'n':'integer','m':'Int','l':'list<list<int>>','':'int'}",
         "app.json:3:31: sources.a.schema.n: \"integer\" is not a type: bool, int, float, string, "
         "timestamp or list<…>\n"
         "app.json:3:45: sources.a.schema.m: \"Int\" is not a type: bool, int, float, string, "
         "timestamp or list<…> (did you mean \"int\"?)\n"
         "app.json:3:55: sources.a.schema.l: \"list<list<int>>\" is not a type: bool, int, float, "
         "string, timestamp or list<…> (did you mean \"list<string>\"?)\n"
         "app.json:3:73: sources.a.schema[\"\"]: \"\" cannot be a name: a text of 1 to 1000 "
         "bytes\n"},
        {"'format':'json','schema':{'n':{'path':'a.b'},'m':{'type':'int','path':'a..b'}}",
         "app.json:3:27: sources.a.schema.n.type: missing: \"type\" is needed here\n"
         "app.json:3:71: sources.a.schema.m.path: must be names with dots between: \"user.id\"\n"},
        {"'format':'json','schema':{'n':{'type':'int','pth':'a.b'},'m':5}",
         "app.json:3:45: sources.a.schema.n.pth: unknown key \"pth\" (did you mean \"path\"?)\n"
         "app.json:3:62: sources.a.schema.m: must be a column type, or an object with type and "
         "path, not 5\n"},
        {"'format':'csv','schema':{'l':'list<int>'}",
         "app.json:3:30: sources.a.schema.l: a column of this format cannot be a list\n"},
        {"'format':'csv','schema':{'n':{'type':'int','path':'a'}}",
         "app.json:3:44: sources.a.schema.n.path: \"path\" belongs to format json\n"},
        {"'format':'csv','schema':{'n':'int'},'header':1,'delimiter':''",
         "app.json:3:46: sources.a.header: must be true or false, not 1\n"
         "app.json:3:60: sources.a.delimiter: is empty\n"},
        {"'format':'csv','schema':{'n':'int'},'delimiter':'::'",
         "app.json:3:49: sources.a.delimiter: must be one ASCII character\n"},
        {"'format':'csv','schema':{'n':'int'},'delimiter':'\\''",
         "app.json:3:49: sources.a.delimiter: must be one ASCII character, other than a quote or a "
         "line end\n"},
        {"'format':'csv','schema':{'n':'int'},'delimiter':'\\n'",
         "app.json:3:49: sources.a.delimiter: must be one ASCII character, other than a quote or a "
         "line end\n"},
        {"'schema':{'n':'int'}", "app.json:3:1: sources.a.schema: \"schema\" belongs to format "
                                 "json, csv, logfmt, regex, not to text\n"},
        {"'format':'combined','schema':{'n':'int'},'header':true,'delimiter':';'",
         "app.json:3:21: sources.a.schema: \"schema\" belongs to format json, csv, logfmt, "
         "regex, not to combined\n"
         "app.json:3:42: sources.a.header: \"header\" belongs to format csv, not to combined\n"
         "app.json:3:56: sources.a.delimiter: \"delimiter\" belongs to format csv, not to "
         "combined\n"},
        {"'format':'json','schema':{'n':'int'},'header':true",
         "app.json:3:38: sources.a.header: \"header\" belongs to format csv, not to json\n"},
        {"'format':'logfmt'",
         "app.json:2:12: sources.a.schema: missing: \"schema\" is needed here\n"},
        {"'format':'logfmt','regex':'x','schema':{'l':'list<int>'}",
         "app.json:3:19: sources.a.regex: \"regex\" belongs to format regex, not to logfmt\n"
         "app.json:3:45: sources.a.schema.l: a column of this format cannot be a list\n"});
}
END_TEST

START_TEST(patterns)
{
    UNIT_SAYS(
        HEAD "'sources':{'a':{'type':'stdin','format':'regex',\n", "}}}",
        {"'on_error':'skip'",
         "app.json:2:12: sources.a.regex: missing: \"regex\" is needed here\n"},
        {"'regex':''", "app.json:3:9: sources.a.regex: is empty\n"},
        {"'regex':5", "app.json:3:9: sources.a.regex: must be a regular expression (a string), "
                      "not 5\n"},
        {"'regex':'a(b)'", "app.json:3:9: sources.a.regex: the regular expression has no named "
                           "group, as \"(?<name>…)\"\n"},
        {"'regex':'(?<a>b'", "app.json:3:16: sources.a.regex: missing closing parenthesis\n"},
        {"'regex':'(?<a>\\\\d+)ä*+*'",
         "app.json:3:23: sources.a.regex: quantifier does not follow a repeatable item\n"},
        {"'regex':'(?<user>.)(?<ms>.)','schema':{'uesr':'int','zz':'int','ms':'list<int>'}",
         "app.json:3:40: sources.a.schema.uesr: the regular expression has no group \"uesr\" (did "
         "you mean \"user\"?)\n"
         "app.json:3:53: sources.a.schema.zz: the regular expression has no group \"zz\"\n"
         "app.json:3:69: sources.a.schema.ms: a column of this format cannot be a list\n"});
}
END_TEST

START_TEST(queues)
{
    UNIT_SAYS(
        HEAD "'sources':{'q':{'type':'queue',\n", "}}}",
        {"'schema':{'n':'int'}",
         "app.json:2:12: sources.q.batches: missing: \"batches\" is needed here\n"},
        {"'batches':[]", "app.json:2:12: sources.q.schema: missing: \"schema\" is needed here\n"},
        {"'schema':{'n':'int'},'batches':[],'format':'json','header':true",
         "app.json:3:35: sources.q.format: \"format\" belongs to type socket, files, stdin, "
         "table, tail, not to queue\n"
         "app.json:3:51: sources.q.header: \"header\" belongs to type socket, files, stdin, "
         "table, tail, not to queue\n"},
        {"'schema':{'n':'int'},'batches':[{'n':1}]",
         "app.json:3:33: sources.q.batches[0]: must be a list of rows, not an object\n"},
        {"'schema':{'n':'int'},'batches':[[1,'x',[]]]",
         "app.json:3:34: sources.q.batches[0][0]: must be an object (a row), not 1\n"
         "app.json:3:36: sources.q.batches[0][1]: must be an object (a row), not \"x\"\n"
         "app.json:3:40: sources.q.batches[0][2]: must be an object (a row), not a list\n"},
        {"'schema':{'n':'int'},'batches':[[],[{},{'n':1.0},{'m':1}]]",
         "app.json:3:45: sources.q.batches[1][1].n: 1.0 does not fit the type int\n"
         "app.json:3:51: sources.q.batches[1][2].m: no column \"m\" (did you mean \"n\"?)\n"},
        {"'schema':{'n':'int','odd key':'bool'},'batches':[[{'n':'1','odd key':0}]]",
         "app.json:3:56: sources.q.batches[0][0].n: \"1\" does not fit the type int\n"
         "app.json:3:70: sources.q.batches[0][0][\"odd key\"]: 0 does not fit the type bool\n"},
        {"'schema':{'f':'float','s':'string','t':'timestamp'},"
         "'batches':[[{'f':'1','s':1,'t':'yesterday'},{'f':true,'t':0}]]",
         "app.json:3:70: sources.q.batches[0][0].f: \"1\" does not fit the type float\n"
         "app.json:3:78: sources.q.batches[0][0].s: 1 does not fit the type string\n"
         "app.json:3:84: sources.q.batches[0][0].t: \"yesterday\" does not fit the type "
         "timestamp (RFC 3339: \"2026-01-01T00:00:00Z\")\n"
         "app.json:3:102: sources.q.batches[0][1].f: true does not fit the type float\n"
         "app.json:3:111: sources.q.batches[0][1].t: 0 does not fit the type timestamp (RFC "
         "3339: \"2026-01-01T00:00:00Z\")\n"},
        {"'schema':{'l':'list<int>'},'batches':[[{'l':[1,2.5]},{'l':1},{'l':[[1]]},{'l':[]}]]",
         "app.json:3:45: sources.q.batches[0][0].l: a list does not fit the type list<int>\n"
         "app.json:3:59: sources.q.batches[0][1].l: 1 does not fit the type list<int>\n"
         "app.json:3:67: sources.q.batches[0][2].l: a list does not fit the type list<int>\n"},
        {"'schema':{'n':{'type':'int','path':'a'}},'batches':[]",
         "app.json:3:29: sources.q.schema.n.path: \"path\" belongs to format json\n"},
        {"'schema':{'n':'int'},'batches':[[{'n':'${WORD}'},{'n':'${FIVE}0'},{'n':'${UNSET}'}]]",
         "app.json:3:39: sources.q.batches[0][0].n: \"abc\" does not fit the type int\n"
         "app.json:3:55: sources.q.batches[0][1].n: \"50\" does not fit the type int\n"
         "app.json:3:73: sources.q.batches[0][2].n: the variable UNSET is not set "
         "(${UNSET:-default} gives it a default)\n"});
}
END_TEST

START_TEST(names_of_streams)
{
    UNIT_SAYS(
        HEAD RATE ",\n'streams':{", "}}",
        {"'1a':{'from':'r'}", "app.json:3:12: streams.1a: \"1a\" cannot be a name: letters, digits "
                              "and _, starting with a letter, at most 128\n"},
        {"'a.b':{'from':'r'}", "app.json:3:12: streams[\"a.b\"]: \"a.b\" cannot be a name: "
                               "letters, digits and _, starting with a letter, at most 128\n"},
        {"'r':{'from':'r'}", "app.json:3:12: streams.r: there is a source of this name already\n"},
        {"'a':{}", "app.json:3:12: streams.a.from: missing: \"from\" is needed here\n"},
        {"'a':'r'", "app.json:3:16: streams.a: must be an object (a stream), not \"r\"\n"},
        {"'a':{'from':7}", "app.json:3:24: streams.a.from: must be the name of a source or stream, "
                           "or a list of such names, not 7\n"},
        {"'a':{'from':[]}",
         "app.json:3:24: streams.a.from: is empty: needs at least one element\n"},
        {"'a':{'from':['r',7,'R']}",
         "app.json:3:29: streams.a.from[1]: must be the name of a source or stream, not 7\n"
         "app.json:3:31: streams.a.from[2]: no source or stream \"R\" (did you mean \"r\"?)\n"},
        {"'a':{'from':'rr'}",
         "app.json:3:24: streams.a.from: no source or stream \"rr\" (did you mean \"r\"?)\n"},
        {"'a':{'from':'nowhere'}",
         "app.json:3:24: streams.a.from: no source or stream \"nowhere\"\n"},
        {"'hits':{'from':'r'},'a':{'from':['r','hit']}",
         "app.json:3:49: streams.a.from[1]: no source or stream \"hit\" (did you mean "
         "\"hits\"?)\n"});
}
END_TEST

START_TEST(circles)
{
    UNIT_SAYS(HEAD RATE ",\n'streams':{", "}}",
              {"'a':{'from':'a'}", "app.json:3:24: streams.a.from: goes in a circle: a from a\n"},
              {"'a':{'from':'b'},'b':{'from':'c'},'c':{'from':['r','a']}",
               "app.json:3:58: streams.c.from: goes in a circle: a from b from c from a\n"},
              {"'a':{'from':'b'},'b':{'from':['a','c']},'c':{'from':['b','r','c']}",
               "app.json:3:41: streams.b.from: goes in a circle: a from b from a\n"
               "app.json:3:64: streams.c.from: goes in a circle: b from c from b\n"
               "app.json:3:64: streams.c.from: goes in a circle: c from c\n"},
              {"'x':{'from':'a'},'a':{'from':'b'},'b':{'from':'a'}",
               "app.json:3:58: streams.b.from: goes in a circle: a from b from a\n"});
}
END_TEST

START_TEST(windows)
{
    UNIT_SAYS(
        HEAD RATE ",\n'streams':{", "}}",
        {"'a':{'from':'r','window':60}", "app.json:3:37: streams.a.window: must be a duration such "
                                         "as \"10s\", or an object with size and slide, not 60\n"},
        {"'a':{'from':'r','window':'60'}", "app.json:3:37: streams.a.window: must be a duration "
                                           "such as \"10s\" (ms, s, m, h, d), not \"60\"\n"},
        {"'a':{'from':'r','window':'0s'}",
         "app.json:3:37: streams.a.window: must be 1ms or more, not \"0s\"\n"},
        {"'a':{'from':'r','window':{}}",
         "app.json:3:28: streams.a.window.size: missing: \"size\" is needed here\n"},
        {"'a':{'from':'r','window':{'size':'2s','slid':'1s'}}",
         "app.json:3:50: streams.a.window.slid: unknown key \"slid\" (did you mean \"slide\"?)\n"},
        {"'a':{'from':'r','window':'1500ms'}",
         "app.json:3:37: streams.a.window: the window's size 1500ms is not a multiple of 1s, the "
         "batch interval\n"},
        {"'a':{'from':'r','window':{'size':'2500ms'}}",
         "app.json:3:45: streams.a.window.size: the window's size 2500ms is not a multiple of 1s, "
         "the batch interval\n"},
        {"'a':{'from':'r','window':{'size':'2500ms','slide':'300ms'}}",
         "app.json:3:45: streams.a.window.size: the window's size 2500ms is not a multiple of 1s, "
         "the batch interval\n"
         "app.json:3:62: streams.a.window.slide: the window's slide 300ms is not a multiple of 1s, "
         "the batch interval\n"},
        {"'a':{'from':'r','window':'4s'},'b':{'from':'a','window':{'size':'8s','slide':'6s'}}",
         "app.json:3:89: streams.b.window.slide: the window's slide 6s is not a multiple of 4s, "
         "the slide of what it is made from\n"},
        {"'a':{'from':'r','window':'4s'},'b':{'from':['r','a']}",
         "app.json:3:60: streams.b.from[1]: the parents of a union have equal slides, but that of "
         "\"r\" is 1s and that of \"a\" is 4s\n"},
        {"'a':{'from':'r','window':'4s'},'b':{'from':'r','join':{'with':'a','on':['value']}}",
         "app.json:3:74: streams.b.join.with: the parents of a join have equal slides, but that of "
         "\"r\" is 1s and that of \"a\" is 4s\n"},
        {"'a':{'from':'r','window':'4s'},'b':{'from':'a'},'c':{'from':['a','b','r']}",
         "app.json:3:81: streams.c.from[2]: the parents of a union have equal slides, but that of "
         "\"b\" is 4s and that of \"r\" is 1s\n"});
}
END_TEST

START_TEST(joins)
{
    UNIT_SAYS(
        HEAD RATE ",\n'streams':{'a':{'from':'r','join':", "}}}",
        {"{'with':'s'}", "app.json:3:28: streams.a.join.on: missing: \"on\" is needed here\n"
                         "app.json:3:43: streams.a.join.with: no source or stream \"s\" (did you "
                         "mean \"a\"?)\n"},
        {"{'on':[],'with':'r'}",
         "app.json:3:41: streams.a.join.on: is empty: needs at least one element\n"},
        {"{'on':{},'with':'r'}",
         "app.json:3:41: streams.a.join.on: is empty: needs at least one entry\n"},
        {"{'on':'k','with':'r'}", "app.json:3:41: streams.a.join.on: must be a list of column "
                                  "names, or an object where the names differ, not \"k\"\n"},
        {"{'on':['k',1,''],'with':'r'}",
         "app.json:3:46: streams.a.join.on[1]: must be a column name (a string), not 1\n"
         "app.json:3:48: streams.a.join.on[2]: \"\" cannot be a name: a text of 1 to 1000 "
         "bytes\n"},
        {"{'on':{'k':['k']},'with':'r'}",
         "app.json:3:46: streams.a.join.on.k: must be a column name (a string), not a list\n"},
        {"{'on':['k'],'with':['r']}", "app.json:3:54: streams.a.join.with: must be the name of a "
                                      "source or stream, not a list\n"},
        {"{'on':['k'],'with':'r','type':'outer'}",
         "app.json:3:65: streams.a.join.type: \"outer\" is not one of inner, left, right, "
         "full\n"},
        {"{'on':['k'],'with':'a'}",
         "app.json:3:54: streams.a.join.with: goes in a circle: a from a\n"},
        {"['r','k']",
         "app.json:3:35: streams.a.join: must be an object with with and on, not a list\n"},
        {"{'with':'r','on':['k'],'kind':'left'}",
         "app.json:3:58: streams.a.join.kind: unknown key \"kind\"\n"});
    UNIT_SAYS(
        HEAD RATE ",\n'streams':{'a':{'from':'r',", "}}}",
        {"'repartition':0", "app.json:3:42: streams.a.repartition: must be 1 or more, not 0\n"},
        {"'repartition':10001",
         "app.json:3:42: streams.a.repartition: must be at most 10000, not 10001\n"},
        {"'cache':1", "app.json:3:36: streams.a.cache: must be true or false, not 1\n"});
}
END_TEST

START_TEST(clauses)
{
    UNIT_SAYS(
        HEAD RATE ",\n'streams':{'a':{'from':'r',", "}}}",
        {"'where':''", "app.json:3:36: streams.a.where: is empty\n"},
        {"'where':' \\n'", "app.json:3:36: streams.a.where: is empty\n"},
        {"'where':true",
         "app.json:3:36: streams.a.where: must be an expression (a string), not true\n"},
        {"'having':1,'order_by':['n']",
         "app.json:3:37: streams.a.having: must be an expression (a string), not 1\n"
         "app.json:3:50: streams.a.order_by: must be an expression (a string), not a list\n"},
        {"'limit':-1", "app.json:3:36: streams.a.limit: must be 0 or more, not -1\n"},
        {"'limit':'5'", "app.json:3:36: streams.a.limit: must be a whole number, not \"5\"\n"},
        {"'limit':2.5", "app.json:3:36: streams.a.limit: must be a whole number, not 2.5\n"},
        {"'distinct':'true'",
         "app.json:3:39: streams.a.distinct: must be true or false, not \"true\"\n"},
        {"'distinct':1", "app.json:3:39: streams.a.distinct: must be true or false, not 1\n"},
        {"'select':{}", "app.json:3:37: streams.a.select: is empty: needs at least one entry\n"},
        {"'select':'n'", "app.json:3:37: streams.a.select: must be an object of columns and "
                         "expressions, not \"n\"\n"},
        {"'select':{'a':1,'':'n'}",
         "app.json:3:42: streams.a.select.a: must be an expression (a string), not 1\n"
         "app.json:3:44: streams.a.select[\"\"]: \"\" cannot be a name: a text of 1 to 1000 "
         "bytes\n"},
        {"'select':{'a':'n','*':true}",
         "app.json:3:46: streams.a.select[\"*\"]: \"*\" must be the first entry\n"},
        {"'select':{'*':false}", "app.json:3:42: streams.a.select[\"*\"]: \"*\" stands for all "
                                 "columns: its value must be true\n"},
        {"'select':{'*':'n','a':true}",
         "app.json:3:42: streams.a.select[\"*\"]: \"*\" stands for all columns: its value must be "
         "true\n"
         "app.json:3:50: streams.a.select.a: must be an expression (a string), not true\n"},
        {"'flat_map':{}", "app.json:3:39: streams.a.flat_map: must have exactly 1 entry\n"},
        {"'flat_map':{'a':'x','b':'y'}",
         "app.json:3:39: streams.a.flat_map: must have exactly 1 entry\n"},
        {"'flat_map':{'*':'x'}", "app.json:3:40: streams.a.flat_map[\"*\"]: \"*\" is no column\n"},
        {"'flat_map':{'a':''}", "app.json:3:44: streams.a.flat_map.a: is empty\n"},
        {"'group_by':'k'",
         "app.json:3:39: streams.a.group_by: must be a list of column names, not \"k\"\n"},
        {"'group_by':[]",
         "app.json:3:39: streams.a.group_by: is empty: needs at least one element\n"},
        {"'group_by':['k',5,'','k']",
         "app.json:3:44: streams.a.group_by[1]: must be a column name (a string), not 5\n"
         "app.json:3:46: streams.a.group_by[2]: \"\" cannot be a name: a text of 1 to 1000 bytes\n"
         "app.json:3:49: streams.a.group_by[3]: \"k\" is a key already\n"},
        {"'group_by':['k'],'aggregate':{}",
         "app.json:3:57: streams.a.aggregate: is empty: needs at least one entry\n"},
        {"'group_by':['k'],'aggregate':{'n':'count()','k':'sum(n)'}",
         "app.json:3:72: streams.a.aggregate.k: \"k\" is a key of group_by already\n"},
        {"'aggregate':{'*':'count()'}",
         "app.json:3:41: streams.a.aggregate[\"*\"]: \"*\" stands in select only\n"},
        {"'aggregate':{'n':true}",
         "app.json:3:45: streams.a.aggregate.n: must be an expression (a string), not true\n"},
        {"'order-by':'n'", "app.json:3:28: streams.a.order-by: unknown key \"order-by\" (did you "
                           "mean \"order_by\"?)\n"},
        {"'group':['k'],'agregate':{'n':'count()'},'wher':'x'",
         "app.json:3:28: streams.a.group: unknown key \"group\" (did you mean \"group_by\"?)\n"
         "app.json:3:42: streams.a.agregate: unknown key \"agregate\" (did you mean "
         "\"aggregate\"?)\n"
         "app.json:3:69: streams.a.wher: unknown key \"wher\" (did you mean \"where\"?)\n"});
}
END_TEST

START_TEST(sinks)
{
    UNIT_SAYS(
        HEAD RATE ",\n'sinks':{", "}}",
        {"'a':{'type':'console'}",
         "app.json:3:10: sinks.a.from: missing: \"from\" is needed here\n"},
        {"'a':{'from':'r'}", "app.json:3:10: sinks.a.type: missing: \"type\" is needed here\n"},
        {"'a':{'from':'t','type':'console'}",
         "app.json:3:22: sinks.a.from: no source or stream \"t\" (did you mean \"r\"?)\n"},
        {"'a':{'from':['r'],'type':'console'}",
         "app.json:3:22: sinks.a.from: must be the name of a source or stream, not a list\n"},
        {"'a':{'from':'r','type':'konsole'}",
         "app.json:3:33: sinks.a.type: \"konsole\" is not one "
         "of console, file, append (did you mean \"console\"?)\n"},
        {"'a':{'from':'r','type':'console','dir':'x','limit':-1}",
         "app.json:3:43: sinks.a.dir: \"dir\" belongs to type file, not to console\n"
         "app.json:3:61: sinks.a.limit: must be 0 or more, not -1\n"},
        {"'a':{'from':'r','type':'console','format':'xml'}",
         "app.json:3:52: sinks.a.format: \"xml\" is not one of json, csv, table\n"},
        {"'a':{'from':'r','type':'file'}",
         "app.json:3:10: sinks.a.dir: missing: \"dir\" is needed here\n"},
        {"'a':{'from':'r','type':'file','dir':'x','format':'table','limit':5}",
         "app.json:3:59: sinks.a.format: \"table\" belongs to type console; a file is json or csv\n"
         "app.json:3:67: sinks.a.limit: \"limit\" belongs to type console, not to file\n"},
        {"'a':{'from':'r','type':'file','dir':'out/x'},"
         "'b':{'from':'r','type':'file','dir':'./out//x/'}",
         "app.json:3:91: sinks.b.dir: the sink \"a\" writes to this folder already\n"},
        {"'a':{'from':'r','type':'append'}",
         "app.json:3:10: sinks.a.path: missing: \"path\" is needed here\n"},
        {"'a':{'from':'r','type':'append','path':'x','dir':'y','format':'table','limit':5}",
         "app.json:3:53: sinks.a.dir: \"dir\" belongs to type file, not to append\n"
         "app.json:3:72: sinks.a.format: \"table\" belongs to type console; a file is json or csv\n"
         "app.json:3:80: sinks.a.limit: \"limit\" belongs to type console, not to append\n"},
        {"'a':{'from':'r','type':'file','dir':'x','path':'y'}",
         "app.json:3:50: sinks.a.path: \"path\" belongs to type append, not to file\n"},
        {"'a':{'from':'r','type':'append','path':'out/x'},"
         "'b':{'from':'r','type':'append','path':'./out//x'}",
         "app.json:3:97: sinks.b.path: the sink \"a\" writes to this file already\n"},
        {"'a':{'from':'r','type':'append','path':''}", "app.json:3:49: sinks.a.path: is empty\n"},
        {"'a':{'from':'r','type':'append','path':'out/'},"
         "'b':{'from':'r','type':'append','path':'..'},"
         "'c':{'from':'r','type':'append','path':'x/.'}",
         "app.json:3:49: sinks.a.path: names a folder; it must name a file\n"
         "app.json:3:96: sinks.b.path: names a folder; it must name a file\n"
         "app.json:3:141: sinks.c.path: names a folder; it must name a file\n"},
        {"'a b':{'from':'r','type':'console'}",
         "app.json:3:10: sinks[\"a b\"]: \"a b\" cannot be a name: letters, digits, _ and -, "
         "starting with a letter, at most 128\n"});
}
END_TEST

START_TEST(variables)
{
    UNIT_SAYS(
        HEAD RATE ",\n'streams':{'a':{'from':'r',", "}}}",
        {"'limit':'${UNSET}'", "app.json:3:37: streams.a.limit: the variable UNSET is not set "
                               "(${UNSET:-default} gives it a default)\n"},
        {"'limit':'${WORD}'",
         "app.json:3:36: streams.a.limit: must be a whole number, not \"abc\"\n"},
        {"'limit':'${FIVE}5'",
         "app.json:3:36: streams.a.limit: must be a whole number, not \"55\"\n"},
        {"'limit':'${NEGATIVE}'", "app.json:3:36: streams.a.limit: must be 0 or more, not -1\n"},
        {"'limit':'${HUGE}'",
         "app.json:3:36: streams.a.limit: must be a whole number, not \"100000000000000000000\"\n"},
        {"'distinct':'${FIVE}'",
         "app.json:3:39: streams.a.distinct: must be true or false, not \"5\"\n"},
        {"'where':'a > ${UNSET:?say how many} and ${'",
         "app.json:3:41: streams.a.where: the variable UNSET is not set: say how many\n"},
        {"'where':'${EMPTY}'", "app.json:3:36: streams.a.where: is empty\n"},
        {"'where':'${BAD}'",
         "app.json:3:36: streams.a.where: the value of a variable is not UTF-8\n"},
        {"'select':{'a':'${lower-case}','b':'${A:-${B}}'}",
         "app.json:3:43: streams.a.select.a: \"${lower-case}\" is not a variable: write ${NAME}, "
         "${NAME:-default} or ${NAME:?message} (a literal ${ is $${)\n"
         "app.json:3:63: streams.a.select.b: \"${A:-${B}…\": a variable cannot stand in "
         "another\n"});
}
END_TEST

START_TEST(repeated_keys)
{
    unit_says("{'version':1,'name':'x','batch':{'interval':'1s','interval':'2s'},\n" RATE ",\n"
              "'streams':{'a':{'from':'r','limit':1,'limit':'x'},'a':{'from':'nowhere'}},\n"
              "'version':2,'sinks':{'s':{'from':'b','type':'console'}}}",
              "app.json:1:50: batch.interval: repeated key (it stands at 1:34 already)\n"
              "app.json:3:38: streams.a.limit: repeated key (it stands at 3:28 already)\n"
              "app.json:3:51: streams.a: repeated key (it stands at 3:12 already)\n"
              "app.json:4:1: version: repeated key (it stands at 1:2 already)\n"
              "app.json:4:34: sinks.s.from: no source or stream \"b\" (did you mean \"a\"?)\n");
}
END_TEST

START_TEST(excerpts_show_the_place)
{
    loaded l = unit_load(HEAD RATE ",\n\t'streams': {'tüp': {'from':\t'r', 'limt': 5}}}");
    ck_assert_str_eq(l.said.data,
                     "app.json:3:14: streams[\"tüp\"]: \"tüp\" cannot be a name: letters, digits "
                     "and _, starting with a letter, at most 128\n"
                     "    \"streams\": {\"tüp\": {\"from\":\t\"r\", \"limt\": 5}}}\n"
                     "                ^^^^^\n"
                     "app.json:3:35: streams[\"tüp\"].limt: unknown key \"limt\" (did you mean "
                     "\"limit\"?)\n"
                     "    \"streams\": {\"tüp\": {\"from\":\t\"r\", \"limt\": 5}}}\n"
                     "                               \t     ^^^^^^\n");
    unit_unload(&l);
}
END_TEST

START_TEST(too_many)
{
    ds_buffer text = {0};
    ds_buffer_append_text(&text, HEAD RATE ",'streams':{");
    for (int i = 0; i < 1001; i++)
        ds_buffer_printf(&text, "%s's%d':{'from':'r'}", i > 0 ? "," : "", i);
    ds_buffer_append_text(&text, "}}");
    unit_says(ds_buffer_text(&text), "app.json:2:63: streams: has 1001 entries; at most 1000\n");
    text.length = 0;
    ds_buffer_append_text(&text, HEAD RATE ",\n'streams':{'");
    for (int i = 0; i < 129; i++)
        ds_buffer_append_char(&text, 'a');
    ds_buffer_append_text(&text, "':{'from':'r'}}}");
    loaded l = unit_load(ds_buffer_text(&text));
    ck_assert_int_eq(l.status, DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(l.said.data, "app.json:3:12: streams.aaaa"));
    ck_assert_ptr_nonnull(strstr(l.said.data, "at most 128\n"));
    unit_unload(&l);
    ds_buffer_fini(&text);
}
END_TEST

UNIT_MAIN("app_errors", no_object, top_level, not_available_yet, rates, batch_and_checkpoint,
          executors_and_limits, no_executors_of_its_own, source_keys, socket_addresses, formats,
          patterns, queues, names_of_streams, circles, windows, joins, clauses, sinks, variables,
          repeated_keys, excerpts_show_the_place, too_many)
