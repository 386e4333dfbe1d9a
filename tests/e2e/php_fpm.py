#!/usr/bin/python3
"""nginx in front of php-fpm 8.2 on a Unix socket, two workers of www-data; MariaDB by text and by prepared
statements, Redis, curl, and two curls at once. php-fpm is recorded under load and replayed without any of them."""
import os
import subprocess

import lib
import replay_lib as r

REQUESTS, CLIENTS = 200, 8
SCHEMA = """
CREATE DATABASE shop; DROP USER IF EXISTS ''@'localhost';
CREATE USER shop@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO shop@'%'; USE shop;
CREATE TABLE item (id int primary key, name text, price decimal(8,2));
INSERT INTO item VALUES (1,'one',1.5),(2,'two',2.5),(3,'three',3.5),(4,'four',4.5);
"""
FPM = """
[global]
error_log = {work}/fpm.log
daemonize = no
[www]
user = www-data
group = www-data
listen = {work}/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 2
clear_env = no
"""
NGINX = """
daemon off; pid {work}/nginx.pid; error_log {work}/nginx.err; worker_processes 1;
events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{
  include /etc/nginx/fastcgi_params;
  fastcgi_param SCRIPT_FILENAME {page}; fastcgi_pass unix:{work}/fpm.sock; }} }} }}
"""


def mariadb(deps, work):
    port, data = lib.free_port(), os.path.join(work, "db")
    subprocess.run(["mysql_install_db", "--user=mysql", f"--datadir={data}",
                    "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    path = os.path.join(data, "s.sock")
    deps.start(["mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}", f"--port={port}",
                f"--socket={path}", "--bind-address=127.0.0.1"], port, path)
    done = subprocess.run(["mariadb", "-S", path, "-u", "root", "-e", SCHEMA], capture_output=True, text=True)
    lib.check(done.returncode == 0, "schema:", done.stderr)
    return port


def ask(port, count, clients, query):
    done = subprocess.run(["ab", "-q", "-n", str(count), "-c", str(clients), f"http://127.0.0.1:{port}/?{query}"],
                          capture_output=True, text=True)
    lib.check(done.returncode == 0 and "Non-2xx" not in done.stdout, "ab:", done.stdout, done.stderr)
    complete = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("Complete requests:")]
    lib.check(complete == [str(count)], "ab completed", complete)


def main():
    r.need_root()
    r.need("php-fpm8.2", "nginx", "mariadbd", "mysql_install_db", "redis-server", "ab")
    work = r.folder()
    os.chmod(work, 0o777)
    page = os.path.join(lib.FIXTURES, "page.php")
    page = lib.write(os.path.join(work, "index.php"), open(page).read())
    deps = r.Dependencies()
    env = dict(os.environ, DB_PORT=str(mariadb(deps, work)), REDIS_PORT=str(deps.redis()), HTTP_PORT=str(deps.stub()))
    conf = lib.write(os.path.join(work, "fpm.conf"), FPM.format(work=work))
    fpm = lib.Record(["php-fpm8.2", "-F", "-y", conf], ["-q"], env=env)
    path = os.path.join(work, "fpm.sock")
    lib.until("php-fpm to listen", lambda: os.path.exists(path))
    front, port = r.Dependencies(), lib.free_port()
    conf = lib.write(os.path.join(work, "nginx.conf"), NGINX.format(work=work, port=port, page=page))
    front.start(["nginx", "-c", conf], port)
    for item in (1, 2, 3):
        answer = lib.get(port, f"/?id={item}")
        lib.check(b'"hits":' in answer and b"GET \\/multi" in answer, "a page:", answer)
    ask(port, REQUESTS - 53, CLIENTS, "id=1")
    ask(port, 50, CLIENTS, "id=4")
    front.end()
    rec = r.stop(fpm, requests=REQUESTS)
    deps.end()
    r.replay_identically(rec, REQUESTS, 20, env=env)


main()
