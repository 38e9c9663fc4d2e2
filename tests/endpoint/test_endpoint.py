"""Deploying and invoking: the same table gives the same predictions in process, over HTTP and through boto3."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError, endpoint
from genomicslearning.endpoint import wire
from genomicslearning.endpoint.http import HttpEndpoint
from genomicslearning.training_set.table import COLUMNS

SITE = {"CHROM": "17", "POS": 43045712, "REF": "G", "ALT": "A"}


class FrequencyModel:
    """A logistic regression behind the model's interface: a real estimator, fitted in milliseconds."""

    threshold = 0.4
    manifest: dict = {}

    def __init__(self, table: pd.DataFrame):
        from sklearn.linear_model import LogisticRegression

        self.estimator = LogisticRegression().fit(self._features(table), table["CLASS"])

    @staticmethod
    def _features(table: pd.DataFrame) -> np.ndarray:
        missense = table["Consequence"].str.contains("missense", na=False)
        return np.column_stack([table["AF_EXAC"].fillna("0").astype(float) * 10, missense, table["REF"].str.len()])

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        return self.estimator.predict_proba(self._features(table))[:, 1]


def make_table(rows: int, seed: int = 200) -> pd.DataFrame:
    """Rows with awkward texts: quotes, commas, line feeds, non-ASCII, percent escapes, empty cells."""
    choose = np.random.default_rng(seed).choice
    table = pd.DataFrame({name: pd.array([None] * rows, dtype="str") for name in COLUMNS})
    table["CHROM"] = pd.array(choose(["1", "17", "X", "MT"], rows), dtype="str")
    table["POS"] = np.arange(1, rows + 1) * 7
    table["REF"] = pd.array(choose(["A", "CT", "GATTACA"], rows), dtype="str")
    table["ALT"] = "T"
    table["AF_EXAC"] = pd.array(choose(["0", "0.10020", "1e-05", "0.25"], rows), dtype="str")
    table["CLNDN"] = pd.Series(
        choose(['Lynch "II", type', "Sjögren%2DLarsson", "two\nlines", "", " padded "], rows), dtype="str"
    ).replace("", np.nan)
    consequence = choose(["missense_variant", "intron_variant", ""], rows)
    table["Consequence"] = pd.Series(consequence, dtype="str").replace("", np.nan)
    table["CLASS"] = (table["AF_EXAC"] == "0").astype("int8")
    return table


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return make_table(431)


@pytest.fixture(scope="module")
def model(table) -> FrequencyModel:
    return FrequencyModel(table)


@pytest.fixture(scope="module")
def service(model):
    with HttpEndpoint(model) as running:
        yield running


@pytest.fixture
def post(service):
    def send(body, content_type="text/csv", route="/invocations", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else body.encode()
        return httpx.post(service.url + route, content=content, headers={"Content-Type": content_type} | headers)

    return send


@pytest.mark.parametrize("chunk", [1, 100, 431, 5000])
def test_in_process_and_http_answer_equally_in_row_order(model, service, table, chunk):
    rows = table.sample(frac=0.05 if chunk == 1 else 1, random_state=1)
    answer = endpoint.InProcessEndpoint(model).invoke(rows, chunk=chunk)
    assert answer.dtypes.to_dict() == {"predicted_label": np.dtype("int64"), "probability": np.dtype("float64")}
    # How many rows are multiplied at once decides the last bit.
    np.testing.assert_allclose(answer["probability"], model.predict(rows), rtol=1e-12)
    assert (answer["predicted_label"] == (answer["probability"] >= 0.4)).all()
    pd.testing.assert_frame_equal(service.invoke(rows, chunk=chunk), answer)
    assert answer.index.equals(rows.index)


def test_invoke_reports_progress_and_never_sends_class(service, table, monkeypatch):
    sent, said = [], []
    write = wire.write_rows
    monkeypatch.setattr(wire, "write_rows", lambda rows: sent.append(write(rows)) or sent[-1])
    service.invoke(table, chunk=300, progress=said.append)
    assert said == ["predicted 300 of 431 rows", "predicted 431 of 431 rows"]
    assert b"CLASS" not in sent[0]


def test_invoke_of_no_rows_is_no_rows(service, table):
    assert service.invoke(table.iloc[:0]).shape == (0, 2)


def test_invoke_splits_what_exceeds_a_request(service, table, monkeypatch):
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 8000)
    whole = service.invoke(table)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(whole, service.invoke(table))


def test_close_frees_the_port(model, table):
    running = HttpEndpoint(model)
    running.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.url + "/ping")


def test_unknown_mode_is_refused(tmp_path):
    with pytest.raises(InputError, match="mode 'grpc' is unknown; choose one of in-process, http"):
        endpoint.deploy(tmp_path, mode="grpc")


def test_ping(service):
    assert httpx.get(service.url + "/ping").status_code == 200


# --- the container contract ------------------------------------------------------------------------------------------


def test_cells_survive_the_wire(table):
    """What the model sees over HTTP is what it sees in process, cell for cell."""
    names = [name for name in COLUMNS if name != "CLASS"]
    for header in (True, False):
        pd.testing.assert_frame_equal(wire.read_rows(wire.write_rows(table, header=header)), table[names])


def test_csv_with_and_without_header_and_with_class(post, model, table):
    expected = model.predict(table)
    with_class = table.to_csv(index=False)
    for body, content_type in (
        (wire.write_rows(table), "text/csv"),
        (wire.write_rows(table, header=False), "text/csv; charset=utf-8"),
        (with_class, "text/csv; header=present"),
        (with_class.partition("\n")[2], "text/csv"),
        (with_class.partition("\n")[2], "text/csv;header=absent"),
        (table[reversed(COLUMNS)].to_csv(index=False).replace("\n", "\r\n"), "text/csv"),
        ("\ufeff" + with_class, "text/csv"),
    ):
        response = post(body, content_type)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/csv")
        assert (wire.read_predictions(response.content)["probability"] == expected).all()


def test_json_and_jsonlines(post, model, table):
    rows = table.iloc[:20].drop(columns="CLASS")
    objects = json.loads(rows.to_json(orient="records"))
    lists = [list(row.values()) for row in objects]
    sparse = [{name: cell for name, cell in row.items() if cell is not None} for row in objects]
    expected = model.predict(table.iloc[:20]).tolist()
    for instances in (objects, lists, sparse, {"instances": sparse}):
        response = post(json.dumps(instances), "application/json")
        assert [row["probability"] for row in response.json()["predictions"]] == expected
    lines = post("\n".join(map(json.dumps, lists)), "application/jsonlines")
    assert lines.headers["content-type"] == "application/jsonlines"
    assert [json.loads(line)["probability"] for line in lines.text.splitlines()] == expected


def test_json_numbers_are_cells_too(post):
    assert post(json.dumps([SITE | {"AF_EXAC": 0.25}]), "application/json").json() == (
        post(json.dumps([SITE | {"POS": "43045712", "AF_EXAC": "0.25"}]), "application/json").json()
    )


def test_missing_cells_of_json_are_missing():
    body = b'[{"CHROM": "1", "POS": 7, "REF": "A", "ALT": "G", "SYMBOL": NaN, "CLNDN": "", "EXON": null}]'
    rows = wire.read_rows(body, wire.JSON)
    assert rows[["SYMBOL", "CLNDN", "EXON"]].isna().all().all()
    with pytest.raises(InputError, match="row 1, column STRAND: a cell is text or a number, not true"):
        wire.read_rows(body.replace(b'"SYMBOL": NaN', b'"STRAND": true'), wire.JSON)


def test_rows_are_numbered_from_the_first_that_the_caller_names():
    import pyarrow as pa

    for name, cell, words in (("REF", None, "row 12, column REF: empty"), ("POS", "x", "row 12, column POS: 'x'")):
        columns = {"CHROM": ["1", "1"], "POS": ["7", "8"], "REF": ["A", "A"], "ALT": ["G", "G"]}
        columns[name][1] = cell
        with pytest.raises(InputError, match=words):
            wire.read_text(pa.table({key: pa.array(cells, pa.string()) for key, cells in columns.items()}), 11)


def test_the_threshold_itself_is_called_conflicting():
    assert wire.predictions(np.array([0.4, np.nextafter(0.4, 0)]), 0.4)["predicted_label"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content_type", "accept", "answered"),
    [
        ("text/csv", None, "text/csv"),
        ("text/csv", "*/*", "text/csv"),
        ("text/csv", "application/json", "application/json"),
        ("text/csv", "image/png, application/jsonlines;q=0.5", "application/jsonlines"),
        ("application/json", "text/csv", "text/csv"),
        ("application/json", "*/*", "application/json"),
        ("text/csv", "application/*", "application/json"),
        ("application/json", "text/*", "text/csv"),
        ("Text/CSV; Header=PRESENT", "", "text/csv"),
    ],
)
def test_accept(post, content_type, accept, answered):
    body = json.dumps([SITE]) if "json" in content_type else "CHROM,POS,REF,ALT\n17,43045712,G,A\n"
    headers = {"Accept": accept} if accept else {}
    assert post(body, content_type, **headers).headers["content-type"].split(";")[0] == answered


def test_an_answer_holds_what_is_asked_for(post, model, table):
    body, [p] = wire.write_rows(table.iloc[:1]), model.predict(table.iloc[:1]).tolist()
    label = int(p >= 0.4)
    assert post(body).text == f"{label},{p!r}\n"
    header = {"X-Amzn-SageMaker-Inference-Output": "probabilities,labels,predicted_label"}
    assert post(body, **header).text == f"\"[{1 - p!r}, {p!r}]\",\"['0', '1']\",{label}\n"
    assert post(body, route="/invocations?output=probability").text == f"{p!r}\n"
    answer = post(body, Accept="application/json", **header).json()["predictions"]
    assert answer == [{"probabilities": [1 - p, p], "labels": ["0", "1"], "predicted_label": label}]
    refused = post(body, route="/invocations?output=score")
    assert (refused.status_code, refused.json()["Message"]) == (
        400,
        "output score is unknown; ask for any of predicted_label, probability, probabilities, labels",
    )


SITES = "CHROM,POS,REF,ALT\n1,1,A,T\n"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (SITES + "1,12x,A,T\n", "text/csv", 400, "row 2, column POS: '12x' is not a whole number"),
        (SITES + "1,2,A,T\n1,3,A\n", "text/csv", 400, "row 3: 3 cells where 4 were expected"),
        (SITES + "1,2,,T\n", "text/csv", 400, "row 2, column REF: empty; a variant needs CHROM, POS, REF, ALT"),
        (SITES.encode() + b"1,2,\xff,T\n", "text/csv", 400, "row 2, column REF: not UTF-8 text"),
        ("CHROM,POS,REF,ALT,POS\n", "text/csv", 400, "the header names a column twice: POS"),
        ("CHROM,POS,REF\n1,1,A\n", "text/csv; header=present", 400, "column ALT is missing; a variant needs"),
        (SITES, "text/csv; Header=ABSENT", 400, "the first line names columns, but not all"),
        ("1,1,A,T\n", "text/csv", 400, "row 1 has 4 cells; without a header a row has the 45 columns"),
        ("", "text/csv", 400, "the request has no rows"),
        ("\ufeff\r\n", "text/csv", 400, "the request has no rows"),
        (SITES.splitlines()[0] + "\n", "text/csv", 400, "the request has no rows"),
        (SITES.replace("\n", ""), "text/csv", 400, "the first line names columns, but not all of CHROM, POS, REF"),
        ("CHROM,POS,REF,ALT,x1,1,A,T,y", "text/csv", 400, "the request has no rows: it is one line, the header (curl:"),
        ("Chrom;POS;REF;ALT\n1;1;A;T\n", "text/csv", 400, "the header says Chrom where CHROM is meant"),
        ("CHROM;POS;REF;ALT;CADD_PHRED\n1;1;A;T;2,5\n", "text/csv", 400, "row 1, column CADD_PHRED: '2,5' has a dec"),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\n", "text/csv", 400, "is a VCF, and rows of a table are answered here"),
        ("[", "application/json", 400, "the request is not JSON: "),
        ("[]", "application/json", 400, "the request has no rows"),
        ('[{"CHROM": ["17"]}]', "application/json", 400, 'row 1, column CHROM: a cell is text or a number, not ["17"]'),
        ("[[1, 2]]", "application/json", 400, "row 1: 2 cells where 45 or 46 were expected"),
        ("[3]", "application/json", 400, "row 1: a row is an object or a list, not 3"),
        ('{"CHROM": "1"}\n{', "application/jsonlines", 400, "line 2: not JSON: "),
        (json.dumps([SITE, SITE | {"POS": 1.5}]), "application/json", 400, "row 2, column POS: '1.5' is not a whole"),
        (SITES, "application/x-parquet", 415, "content type 'application/x-parquet' is not supported"),
        (b"x" * (6 * 1024 * 1024 + 1), "text/csv", 413, "the request is larger than 6 MB"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(post, body, content_type, status, message):
    response = post(body, content_type)
    assert response.status_code == status
    assert response.json()["Message"].startswith(message)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheets_export_is_answered_as_predict_answers_it(post, model, table, separator):
    """A byte order mark, CRLF, and the separator that the header tells."""
    text = table.head(7).to_csv(index=False, sep=separator, lineterminator="\r\n")
    response = post(b"\xef\xbb\xbf" + text.encode(), "text/csv")
    assert response.status_code == 200, response.text
    assert (wire.read_predictions(response.content)["probability"] == model.predict(table.head(7))).all()


def test_a_body_of_unannounced_length_is_cut_at_the_limit(service):
    pieces = (b"x" * (1 << 20) for _ in range(8))
    assert httpx.post(service.url + "/invocations", content=pieces).status_code == 413


def test_an_answer_that_nobody_can_write_is_not_acceptable(post):
    assert post(SITES, Accept="image/png").status_code == 406


def test_boto3_invokes_it_unchanged(service, model, table, monkeypatch):
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    runtime = boto3.client("sagemaker-runtime", endpoint_url=service.url, region_name="us-east-1")
    answer = runtime.invoke_endpoint(EndpointName="variants", ContentType="text/csv", Body=wire.write_rows(table))
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert (wire.read_predictions(answer["Body"].read())["probability"] == model.predict(table)).all()
    with pytest.raises(runtime.exceptions.ModelError, match="row 1, column POS: 'x' is not a whole number"):
        runtime.invoke_endpoint(EndpointName="variants", ContentType="text/csv", Body="CHROM,POS,REF,ALT\n1,x,A,T\n")
