package dev.weir.server.api;

import dev.weir.server.http.Handler;
import java.time.InstantSource;

/** All endpoints of one served model. */
public final class Api {
  private Api() {}

  /**
   * The router of a server.
   *
   * @param clock dates replies
   */
  public static Router router(
      ServedModel model, HealthHandler health, Handler metrics, InstantSource clock) {
    ModelsHandler models = new ModelsHandler(model);
    return Router.builder()
        .post("/v1/completions", new CompletionsHandler(model, clock))
        .post("/v1/chat/completions", new ChatCompletionsHandler(model, clock))
        .get(ModelsHandler.PATH, models)
        .get(ModelsHandler.PATH + "/", models)
        .post("/tokenize", new TokenizeHandler(model))
        .post("/detokenize", new DetokenizeHandler(model))
        .get("/health", health)
        .get("/metrics", metrics)
        .build();
  }
}
