CREATE TABLE item (id int PRIMARY KEY, sku text, name text, stock int);
CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE orders (id serial PRIMARY KEY, customer text, item int, count int);
CREATE TABLE review (id serial PRIMARY KEY, item int, rating int, text text);
INSERT INTO item SELECT n, 'SKU-' || n, (ARRAY['red','green','blue'])[n % 3 + 1] || ' chair ' || n, 100000
  FROM generate_series(1, 20) n;
INSERT INTO customer SELECT n, 'customer' || n FROM generate_series(1, 10) n;
