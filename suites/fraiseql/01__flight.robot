*** Settings ***
Documentation    GraphQL over Arrow Flight: what comes, that HTTP gives the same, who is refused, what may be written. A
...              test goes on after what is wrong, so that all of it is told.

Resource         ../../resources/fraiseql.resource

Test Teardown    Undo What The Test Did

Test Tags        phase:integration    system:fraiseql    robot:continue-on-failure


*** Test Cases ***
A GraphQL query over Flight streams the selected columns with right types, and at most 1 000 rows when limited to 1 000
    [Documentation]    The seed's first test; its query is the one there, with a column of each type besides. Types are
    ...    those of the schema, also where no row has a value or all of them are whole numbers.
    [Tags]    FQ-I01
    ${answer} =    When Rows Are Queried Over Flight
    ...    { users(limit: 1000) { id name email visits active createdAt } }
    Then Result Should Have Rows    ${answer}    at_least=1    at_most=1000
    And Result Should Have The Columns Of Users    ${answer}
    ${answer} =    When Rows Are Queried Over Flight    { users(limit: 7, where: ${NO_SCORE}) { id score } }
    Then Result Should Have Columns    ${answer}    id=string    score=float64
    And Each View Should Announce The Schema Of Its Rows

The client program prints 10 rows and exits 0, and exits with the server's message on a bad query
    [Tags]    FQ-I02
    ${ended} =    When Client Program Is Run    query    { users(limit: 10) { id } }
    Then Program Should Have Printed Rows    ${ended}    10
    ${ended} =    When Client Program Is Run    query    { users(limit: 10) { colour } }
    Then Program Should Have Failed With The Message Of The Server    ${ended}    { users(limit: 10) { colour } }

Flight and HTTP/JSON give the same rows for the same query, nulls, unicode, big integers and instants included
    [Tags]    FQ-I03
    ${pairs} =    When The Same Is Asked Over Flight And HTTP
    ...    { users(limit: 500) { id name email bio score visits active createdAt } }
    ...    { orders(limit: 2000, offset: 100) { id total quantity status customerName createdAt } }
    ...    { users(limit: 20) { name orders { id total } } }
    ...    { users(where: {name: {eq: "nobody has this name"}}) { id name } }
    Then Both Should Have The Same Rows    ${pairs}
    And Compared Values Should Include
    ...    ${pairs}
    ...    nulls
    ...    unicode
    ...    big integers
    ...    timestamps
    ...    fractions
    ...    nested values
    ...    an empty result

A handshake gives a token that is served, and each wrong token is refused on every call
    [Documentation]    Forged, expired, unsigned, of another type, empty and a dozen more; upload and exchange included.
    [Tags]    FQ-I08
    ${token} =    When Session Is Opened By Handshake
    Then Session Should Be Accepted    ${token}
    ${answers} =    When Wrong Identity Tokens Are Handed Over
    Then Each Should Have Been Refused As    ${answers}    UNAUTHENTICATED
    ${answers} =    When Wrong Tokens Are Tried On Every Data Call
    Then Each Should Have Been Refused As    ${answers}    UNAUTHENTICATED

Malformed and unknown tickets, some above 256 KiB, and bad queries are told their status, and the next one is served
    [Documentation]    A ticket may have 256 KiB; one byte more is too many.
    [Tags]    FQ-I09
    ${answers} =    When Everything Wrong Is Sent Over Flight
    Then Each Should Have Been Told Its Status    ${answers}
    And Next Request Should Have Been Served    ${answers}
    And Largest Ticket Should Be Served

An upload of 5 000 rows is stored whole; one to a table that takes none, or that breaks in the middle, stores nothing
    [Tags]    FQ-I10
    ${upload} =    When Rows Are Uploaded    5000
    Then Uploaded Rows Should Be Stored    ${upload}
    ${attempts} =    When Uploads To Other Tables Are Tried
    Then Nothing Should Have Been Stored    ${attempts}
    ${attempts} =    When Uploads That Break In The Middle Are Tried
    Then Nothing Should Have Been Stored    ${attempts}
