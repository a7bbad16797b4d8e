"""draft"""

from __future__ import annotations
import argparse, asyncio, os, tempfile, contextlib
from pathlib import Path
import asyncpg
from benchmarks.engine import load, ours, pgbench, rival
from benchmarks.engine.measures import Bench, our_stack, rival_stack
from benchmarks.support import migrated_server


async def main(args):
    print("load", os.getloadavg())
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        server = stack.enter_context(migrated_server(directory / "pg"))
        api = stack.enter_context(ours.serving(server, directory, ours.new_keys()))
        targets = await ours.make_targets(server, api.url, args.tenants)
        known = stack.enter_context(rival.installed(server, directory, targets))
        theirs = stack.enter_context(rival.serving(known, processes=args.rival_processes))
        connection = await asyncpg.connect(server.superuser_url)
        await pgbench.prepare(connection, load.event_body("100000"), directory / "pgbench.sql")
        bench = Bench(server, directory, targets)
        stacks = [our_stack(server, directory, api), rival_stack(known, theirs)]
        for one in stacks:
            await bench.accept(one, connections=8, seconds=1)
        if "1" in args.parts:
            for _ in range(args.rounds):
                for c in (8, 32):
                    print("pgbench", c, round(await bench.commit(clients=c, seconds=args.seconds)), flush=True)
                    for one in stacks:
                        got = await bench.accept(one, connections=c, seconds=args.seconds)
                        print(one.name, c, round(got.seen.per_second), got, flush=True)
        for cap, wait in ((20, 0.05), (20, 0.0)):
            if ("4" if wait else "2") not in args.parts:
                continue
            await connection.execute(
                "UPDATE tenant_configs SET rate_limits = rate_limits || jsonb_build_object('concurrent_executions', $1::int)",
                cap,
            )
            for _ in range(args.rounds):
                for one in stacks:
                    got = await bench.work(one, runs=args.runs, wait=wait, concurrency=200)
                    print(one.name, wait, got, round(got.cpu_ms, 2), flush=True)
        await connection.close()
        if args.keep:
            os.system(f"cp -r {directory}/*.log /tmp/w/benchlogs/ 2>/dev/null")


p = argparse.ArgumentParser()
p.add_argument("--tenants", type=int, default=20)
p.add_argument("--rounds", type=int, default=1)
p.add_argument("--seconds", type=int, default=4)
p.add_argument("--runs", type=int, default=2000)
p.add_argument("--parts", default="14")
p.add_argument("--rival-processes", type=int, default=1)
p.add_argument("--keep", action="store_true")
asyncio.run(main(p.parse_args()))
