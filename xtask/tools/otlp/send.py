"""Sends one of each kind of metric by OTLP, with the SDK of OpenTelemetry: send.py grpc|http ENDPOINT TENANT."""

import sys

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource


def exporter(protocol, endpoint, tenant):
    if protocol == "grpc":
        from grpc import Compression
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        headers = (("x-scope-orgid", tenant),)
        return OTLPMetricExporter(endpoint=endpoint, insecure=True, headers=headers, compression=Compression.Gzip, timeout=10)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    url = f"http://{endpoint}/v1/metrics"
    return OTLPMetricExporter(endpoint=url, headers={"X-Scope-OrgID": tenant}, compression=Compression.Gzip, timeout=10)


def record(protocol):
    """What the SDK made of one of each kind."""
    reader = InMemoryMetricReader()
    resource = Resource.create(
        {"service.name": "shop", "service.namespace": "eu", "service.instance.id": f"by-{protocol}", "host.arch": "arm64"}
    )
    views = [
        View(instrument_name="latency", aggregation=ExplicitBucketHistogramAggregation(boundaries=[0.1, 1.0])),
        View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation()),
    ]
    provider = MeterProvider(metric_readers=[reader], resource=resource, views=views)
    meter = provider.get_meter("drill", "1.0")
    requests = meter.create_counter("requests", unit="{request}", description="Requests that came")
    requests.add(3, {"http.method": "GET"})
    requests.add(4, {"http.method": "GET"})
    meter.create_up_down_counter("connections").add(2)
    meter.create_observable_gauge("temperature", callbacks=[lambda _: [Observation(21.5)]], unit="Cel")
    latency = meter.create_histogram("latency", unit="s")
    size = meter.create_histogram("size", unit="By")
    for seconds, count in ((0.05, 1.0), (0.5, 2.0), (5.0, 300.0)):
        latency.record(seconds)
        size.record(count)
    return reader.get_metrics_data()


def main():
    protocol, endpoint, tenant = sys.argv[1:]
    result = exporter(protocol, endpoint, tenant).export(record(protocol))
    if result is not MetricExportResult.SUCCESS:
        sys.exit(f"the exporter says {result}")


main()
