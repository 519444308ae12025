"""In the manner of keyDB-POC's python01: writes a timestamp again and again."""
import sys
import time

import redis

host, port, interval = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
print("Starting Python01")
client = redis.Redis(host=host, port=port, db=0)
while True:
    value = f"Python01 timestamp {int(time.time())}"
    client.set("shared_key", value)
    print(f"Python01 set shared_key: {value}")
    time.sleep(interval)
