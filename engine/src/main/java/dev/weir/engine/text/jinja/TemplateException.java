package dev.weir.engine.text.jinja;

/**
 * A chat template that can't be parsed, or a conversation that can't be rendered with it. The
 * message is fit for the client: it names the place in the template and never a type of the host.
 */
public abstract sealed class TemplateException extends RuntimeException
    permits TemplateSyntaxException,
        TemplateRaisedException,
        TemplateRuntimeException,
        TemplateLimitException {

  TemplateException(String message) {
    super(message);
  }
}
