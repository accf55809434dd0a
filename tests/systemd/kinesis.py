"""A PutRecords that stores everything: appends one JSON object a record to a file, {"access_key": …, "data": …}. It looks at nothing else: signatures and
limits are the business of tests/support. It is a program of its own so that it can live in the booted system's network.

    python3 kinesis.py PORT FILE
"""

import base64
import http.server
import json
import re
import sys


class PutRecords(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        access_key = re.search(r"Credential=([^/]*)/", self.headers["Authorization"]).group(1)
        with open(sys.argv[2], "a", encoding="utf-8") as file:
            for record in body["Records"]:
                data = base64.b64decode(record["Data"]).decode()
                file.write(json.dumps({"access_key": access_key, "data": data}) + "\n")
        stored = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
        answer = json.dumps({"FailedRecordCount": 0, "Records": [stored] * len(body["Records"])}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), PutRecords).serve_forever()
