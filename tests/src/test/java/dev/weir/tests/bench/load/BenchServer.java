package dev.weir.tests.bench.load;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.server.api.Api;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import java.io.IOException;
import java.nio.file.Path;

/** Weir with the tiny model in this process, for the benchmarks' own tests. */
final class BenchServer implements AutoCloseable {
  private final Engine engine;
  private final HttpServer server;

  private BenchServer(Engine engine, HttpServer server) {
    this.engine = engine;
    this.server = server;
  }

  static BenchServer start(Path folder) throws IOException {
    Engine engine = Engine.open(EngineOptions.of(TinyModel.write(folder, DType.F32, 1)));
    return new BenchServer(
        engine, Api.serve(engine, WeirServer.MODEL_NAME, HttpOptions.on("127.0.0.1", 0)));
  }

  String url() {
    return "http://127.0.0.1:" + server.port();
  }

  @Override
  public void close() {
    server.close();
    engine.close();
  }
}
