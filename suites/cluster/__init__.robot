*** Settings ***
Documentation     The distributed PostgreSQL cluster: Patroni, etcd, HAProxy, pgvector, Redis and, where declared,
...               Citus.

Resource          ../../resources/environment.resource

Suite Setup       Start System    cluster
Suite Teardown    Stop System    cluster
