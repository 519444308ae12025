"""What programs do with redis-py: prints what each answers, so that two servers can be compared. HOST PORT PROTOCOL"""
import sys
import threading

import redis

host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True, client_name="worker")
other = redis.Redis(host=host, port=port, protocol=protocol)


def show(what, got):
    print(f"{what}: {got!r}")


show("set", client.set("a", "1", ex=100))
show("set nx", client.set("a", "2", nx=True))
show("get", client.get("a"))
show("ttl", client.ttl("a"))
show("getex", client.getex("a", persist=True))
show("expire nx", client.expire("a", 200, nx=True))
show("expire gt", client.expire("a", 100, gt=True))
show("expireat", client.expireat("a", 7977117420))
show("expiretime", client.expiretime("a"))
show("getdel", client.getdel("a"))
show("setnx", (client.setnx("b", "1"), client.setnx("b", "2")))
show("mset", client.mset({"c": "3", "d": "4"}))
show("mget", client.mget("b", "c", "none"))
show("hset", client.hset("h", mapping={"one": "1", "two": "zwei"}))
show("hsetnx", (client.hsetnx("h", "one", "x"), client.hsetnx("h", "three", "3")))
show("hgetall", client.hgetall("h"))
show("hmget", client.hmget("h", ["one", "none"]))
show("hexists", (client.hexists("h", "two"), client.hexists("h", "none")))
show("hdel", client.hdel("h", "one", "none"))
show("hkeys", sorted(client.hkeys("h")))
show("type", (client.type("h"), client.type("b"), client.type("none")))
show("scan", sorted(client.scan_iter(match="?", count=2)))
show("bytes", other.get("b"))
try:
    client.get("h")
except redis.ResponseError as error:
    show("wrong type", str(error))
try:
    client.execute_command("NONSENSE", "x")
except redis.ResponseError as error:
    show("unknown", str(error))

for transaction in (False, True):
    pipe = client.pipeline(transaction=transaction)
    for index in range(200):
        pipe.set(f"p:{index}", index).get(f"p:{index}")
    pipe.hset("ph", "f", "v").hgetall("ph").get("h")
    show(f"pipeline {transaction}", [str(each) for each in pipe.execute(raise_on_error=False)][-7:])

# A watched key that changes meanwhile, and the loop that everybody writes around it.
attempts = []


def add_one(pipe):
    value = int(pipe.get("count") or 0)
    attempts.append(value)
    if len(attempts) == 1:
        other.set("count", 41)
    pipe.multi()
    pipe.set("count", value + 1)
    pipe.get("count")


show("transaction", client.transaction(add_one, "count"))
show("attempts", attempts)
with client.pipeline() as pipe:
    pipe.watch("count")
    other.set("count", 7)
    pipe.multi()
    pipe.set("count", 8)
    try:
        pipe.execute()
    except redis.WatchError as error:
        show("watch error", str(error))
show("count", client.get("count"))

pubsub = client.pubsub()
pubsub.subscribe("update")
pubsub.psubscribe("__keyevent@0__:*")
for _ in range(2):
    show("subscribed", pubsub.get_message(timeout=5))
show("publish", other.publish("update", "hello"))
show("message", pubsub.get_message(timeout=5))
other.set("seen", "1", ex=100)
show("set event", pubsub.get_message(timeout=5))
show("expire event", pubsub.get_message(timeout=5))
pubsub.unsubscribe()
show("unsubscribed", pubsub.get_message(timeout=5))
pubsub.close()

heard = []
done = threading.Event()


def handle(message):
    heard.append(message["data"])
    done.set()


threaded = client.pubsub()
threaded.subscribe(**{"thread": handle})
threaded.get_message(timeout=5)
thread = threaded.run_in_thread(sleep_time=0.1, daemon=True)
other.publish("thread", "in a thread")
done.wait(5)
thread.stop()
thread.join(5)
show("thread", heard)
print("done")
