-- The tables as version 2 of the schema had them, and rows of the program of that time: one of an earlier epoch as well.
create table store_state (
  one_row boolean primary key default true check (one_row), schema_version int not null, epoch bigint not null);
insert into store_state (schema_version, epoch) values (2, $EPOCH);
create table payment (
  id uuid primary key,
  epoch bigint not null,
  cents bigint not null,
  accepted_at_ms bigint not null,
  owner smallint not null,
  stage smallint not null,
  attempt bigint not null,
  processor smallint,
  requested_at_ms bigint not null,
  doubt smallint not null,
  doubt_until_ms bigint not null,
  reason smallint not null
);
create index payment_settled on payment (processor, requested_at_ms) where stage = 3;
create index payment_pending on payment (id) where stage <> 3;
create table replica (
  id smallint primary key,
  started_at timestamptz not null default now(),
  running boolean not null,
  found text not null
);
create view payment_audit as
  select payment.id, cents / 100.0 as amount, stage, processor, attempt from payment join store_state using (epoch);
alter table payment add story text;
insert into replica (id, running, found) values (0, true, 'clean'), (1, false, 'clean');
insert into payment values
  ('4a7901b8-7d26-4d9d-aa19-000000000001', $EPOCH, 1990, 1751328000001, 0, 0, 0, null, 0, 0, 0, 0, null),
  ('4a7901b8-7d26-4d9d-aa19-000000000002', $EPOCH, 1990, 1751328000002, 1, 1, 2, 1, 1751328000500, 0, 0, 2, null),
  ('4a7901b8-7d26-4d9d-aa19-000000000003', $EPOCH, 1990, 1751328000003, 1, 2, 2, 1, 1751328000500, 3, 1751328009999, 16, null),
  ('4a7901b8-7d26-4d9d-aa19-000000000004', $EPOCH, 2000, 1751328000004, 1, 3, 1, 0, 1751328000600, 0, 0, 12,
   '1,1,1751328000300,0,0,1;2,1,1751328000350,0,0,16;3,1,1751328000600,0,0,12'),
  ('4a7901b8-7d26-4d9d-aa19-000000000005', $EPOCH, 1990, 1751328000005, 1, 3, 1, 1, 1751328000400, 0, 0, 13, null),
  ('4a7901b8-7d26-4d9d-aa19-000000000006', $EPOCH - 1, 1990, 1751328000006, 1, 3, 1, 1, 1751328000400, 0, 0, 12, null);
